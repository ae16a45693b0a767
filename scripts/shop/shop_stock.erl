%% SPDX-License-Identifier: MIT
-module(shop_stock).
-behaviour(gen_server).

-export([start_link/0, take/2, articles/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

take(Article, N) ->
    gen_server:call(?MODULE, {take, Article, N}).

articles() ->
    [apple, bread, 'café', cheese, tea].

init([]) ->
    {ok, maps:from_list([{A, 100} || A <- articles()])}.

handle_call({take, Article, N}, _From, Stock) ->
    case Stock of
        #{Article := Left} when Left >= N ->
            {reply, {ok, price(Article) * N}, Stock#{Article := Left - N}};
        _ ->
            _ = erlang:send_after(500, self(), {delivery, Article, 100}),
            {reply, {error, sold_out}, Stock}
    end.

handle_cast(_, Stock) ->
    {noreply, Stock}.

handle_info({delivery, Article, N}, Stock) ->
    {noreply, maps:update_with(Article, fun(Left) -> min(Left + N, 200) end, Stock)}.

price(Article) ->
    0.5 * length(atom_to_list(Article)).
