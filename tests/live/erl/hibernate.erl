%% SPDX-License-Identifier: MIT
%% Hibernations in known numbers: of plain processes and of a gen_server; with
%% a message already there; and what never becomes one.
-module(hibernate).
-behaviour(gen_server).

-import(live, [note/1, own/1]).
-export([setup/1, run/1, sleeper/3, eager/2]).
-export([init/1, handle_call/3, handle_cast/2]).

setup(_) ->
    note({check, ['proc.hibernate']}).

run(_) ->
    Ps = [begin
              P = spawn(?MODULE, sleeper, [self(), 5, lists:duplicate(N, filler)]),
              own(P),
              P
          end || N <- [0, 1, 50, 100]],
    [plain(P, 5) || P <- Ps],
    E = spawn(fun() -> eager(self(), 3) end),
    own(E),
    live:wait_for(E),
    {ok, S} = gen_server:start(?MODULE, [], []),
    own(S),
    [begin
         ok = gen_server:call(S, rest),
         %% With the arguments of its own loop, or by hibernate/0.
         note({hibernate, S, wakes_in(), any})
     end || _ <- lists:seq(1, 4)],
    receive after 50 -> ok end.

wakes_in() ->
    case erlang:function_exported(erlang, hibernate, 0) of
        true -> none;
        false -> {proc_lib, wake_up, 3}
    end.

%% Its memory is asked for while it sleeps, and is what the event says.
plain(P, N) ->
    receive {P, asleep, N} -> ok end,
    live:wait_for_state(P, waiting),
    {total_heap_size, Words} = process_info(P, total_heap_size),
    note({hibernated, P, Words}),
    P ! wake,
    case N of
        1 -> ok;
        _ -> plain(P, N - 1)
    end.

sleeper(_, 0, _) ->
    %% That is no hibernation.
    try erlang:hibernate(1, 2, 3) catch error:badarg -> ok end;
sleeper(Root, N, Filler) ->
    receive wake -> ok after 0 -> ok end,
    _ = lists:seq(1, 3000),
    note({hibernate, self(), {?MODULE, sleeper, 3}, [Root, N - 1, Filler]}),
    Root ! {self(), asleep, N},
    erlang:hibernate(?MODULE, sleeper, [Root, N - 1, Filler]).

%% What it waits for is there already.
eager(_, 0) ->
    ok;
eager(Self, N) ->
    receive go_on -> ok after 0 -> ok end,
    self() ! go_on,
    note({hibernate, self(), {?MODULE, eager, 2}, [Self, N - 1]}),
    erlang:hibernate(?MODULE, eager, [Self, N - 1]).

init([]) -> {ok, none}.
handle_call(rest, _, State) -> {reply, ok, State, hibernate}.
handle_cast(_, State) -> {noreply, State}.
