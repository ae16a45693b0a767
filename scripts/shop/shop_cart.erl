%% SPDX-License-Identifier: MIT
-module(shop_cart).
-behaviour(gen_server).

-export([start_link/1, add/3, look/1, drop/1]).
-export([init/1, handle_call/3, handle_cast/2]).

start_link(Owner) ->
    gen_server:start_link(?MODULE, Owner, []).

add(Cart, Article, N) ->
    gen_server:cast(Cart, {add, Article, N}).

look(Cart) ->
    gen_server:call(Cart, look).

drop(Cart) ->
    gen_server:stop(Cart).

init(Owner) ->
    {ok, #{owner => Owner, lines => [], sum => 0.0}}.

handle_call(look, _From, #{lines := Lines, sum := Sum} = State) ->
    {reply, {lists:reverse(Lines), Sum}, State}.

handle_cast({add, Article, N}, #{lines := Lines, sum := Sum} = State) ->
    case shop_stock:take(Article, N) of
        {ok, Price} ->
            {noreply, State#{lines := [{Article, N} | Lines], sum := Sum + Price}};
        {error, sold_out} ->
            {noreply, State}
    end.
