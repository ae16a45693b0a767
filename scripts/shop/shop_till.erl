%% SPDX-License-Identifier: MIT
-module(shop_till).
-behaviour(gen_server).

-export([start_link/0, pay/1]).
-export([init/1, handle_call/3, handle_cast/2]).

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

pay(Sum) ->
    gen_server:call(?MODULE, {pay, Sum}).

init([]) ->
    {ok, #{takings => 0.0, receipts => []}}.

handle_call({pay, _}, From, #{receipts := [_ | _] = Receipts} = State)
  when length(Receipts) > 150 ->
    gen_server:reply(From, {error, jammed}),
    {stop, {paper_jam, length(Receipts)}, State};
handle_call({pay, Sum}, {Customer, _}, #{takings := T, receipts := R} = State) ->
    Receipt = #{who => Customer, sum => Sum,
                text => iolist_to_binary(["thank you: ", float_to_binary(Sum, [short])])},
    {reply, {ok, Receipt}, State#{takings := T + Sum, receipts := [Receipt | R]}}.

handle_cast(_, State) ->
    {noreply, State}.
