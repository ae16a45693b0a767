%% SPDX-License-Identifier: MIT
%% Processes that stand still in known places, in code of this module and of
%% others, before anything is attached.
-module(parked).
-behaviour(gen_server).

-import(live, [note/1]).
-export([setup/1, run/1]).
-export([plain/0, deep/1, for_long/0, wakes_to/0, named/1]).
-export([init/1, handle_call/3, handle_cast/2]).

setup(_) ->
    note({check, ['proc.info']}),
    {ok, Server} = gen_server:start(?MODULE, [], []),
    Places = [{?MODULE, plain, []}, {?MODULE, deep, [50]}, {?MODULE, for_long, []},
              {?MODULE, named, ['an atom']}, {timer, sleep, [infinity]},
              {erlang, hibernate, [?MODULE, wakes_to, []]}],
    Many = [spawn(M, F, A) || _ <- lists:seq(1, 100), {M, F, A} <- Places],
    Fun = spawn(fun() -> receive stop -> ok end end),
    receive after 100 -> ok end, % until all of them wait
    [Server, Fun | Many].

%% Asking wakes a process up, but not before it was introduced.
run(Ps) ->
    [begin
         {_, {M, F, A}} = process_info(P, current_function),
         note({at, P, {M, F, A}})
     end || P <- Ps].

plain() ->
    receive stop -> ok end.

deep(0) ->
    receive stop -> ok end,
    [];
deep(N) ->
    [N | deep(N - 1)].

for_long() ->
    receive after 1000000 -> ok end.

named(Name) ->
    receive Name -> ok end.

wakes_to() ->
    ok.

init([]) -> {ok, none}.
handle_call(_, _, State) -> {reply, ok, State}.
handle_cast(_, State) -> {noreply, State}.
