%% SPDX-License-Identifier: MIT
%% Servers that wait for each other, and schedulers that are taken: by loops
%% without an end, by native code that sleeps or spins. Each begins when a file
%% of that name is in the folder. To be run with two schedulers.
-module(stuck).
-behaviour(gen_server).

-export([setup/1, run/1]).
-export([init/1, handle_call/3, handle_cast/2]).
-export([loops/1, sleeps/1, spins/1, sleeps_dirty/1, call/2]).
-export([asleep/1, busy/1, asleep_dirty/1, busy_dirty/1]).

setup([Dir]) ->
    ok = erlang:load_nif(filename:join(Dir, "stuck_nif"), 0),
    [{ok, _} = gen_server:start({local, N}, ?MODULE, N, []) || N <- [s_a, s_b, s_busy]],
    {s_dir, Dir}.

%% s_a and s_b call each other; s_c waits for s_a; s_busy is asked by two, one
%% of whom it works for.
run({s_dir, Dir}) ->
    spawn(?MODULE, call, [s_a, {call, s_b}]),
    spawn(?MODULE, call, [s_b, {call, s_a}]),
    live:poll(fun() -> waits(s_a) andalso waits(s_b) end),
    register(s_c, spawn(?MODULE, call, [s_a, hello])),
    register(s_first, spawn(?MODULE, call, [s_busy, work])),
    live:poll(fun() -> process_info(whereis(s_busy), current_function) =:=
                           {current_function, {timer, sleep, 1}} end),
    register(s_second, spawn(?MODULE, call, [s_busy, work])),
    live:poll(fun() -> waits(s_c) andalso waits(s_second) end),
    file(Dir, "waiting"),
    wait(Dir, "loop"),
    Until = erlang:monotonic_time(millisecond) + 4000,
    [erlang:spawn_opt(?MODULE, loops, [Until], [{scheduler, N}, {priority, high}])
     || N <- [1, 2]],
    receive after 4100 -> ok end,
    file(Dir, "looped"),
    wait(Dir, "nif"),
    process_flag(priority, max),
    spawn(?MODULE, sleeps_dirty, [kept]),
    receive after 100 -> ok end,
    P = self(),
    [spawn(fun() -> receive go -> ok end, erlang:spawn_opt(?MODULE, F, [{kept, P}],
                                                         [{scheduler, N}]) end) ! go
     || {F, N} <- [{sleeps, 1}, {spins, 2}]],
    receive never -> ok end.

call(Server, What) ->
    gen_server:call(Server, What, infinity).

waits(Name) ->
    process_info(whereis(Name), current_function) =:= {current_function, {gen, do_call, 4}}.

%% An endless loop, but for the test's sake.
loops(Until) ->
    N = lists:foldl(fun(X, Y) -> X + Y end, 0, lists:seq(1, 100)),
    case erlang:monotonic_time(millisecond) + N - N > Until of
        true -> N;
        false -> loops(Until)
    end.

sleeps(Kept) ->
    R = asleep(1),
    {Kept, R}.
spins(Kept) ->
    R = busy(1),
    {Kept, R}.
sleeps_dirty(Kept) ->
    R = asleep_dirty(1),
    {Kept, R}.

asleep(_) -> erlang:nif_error(not_loaded).
busy(_) -> erlang:nif_error(not_loaded).
asleep_dirty(_) -> erlang:nif_error(not_loaded).
busy_dirty(_) -> erlang:nif_error(not_loaded).

file(Dir, Name) ->
    ok = prim_file:write_file(filename:join(Dir, Name), <<>>).

wait(Dir, Name) ->
    live:poll(fun() -> element(1, prim_file:read_file_info(filename:join(Dir, Name))) =:= ok
              end).

init(Name) -> {ok, Name}.
handle_call({call, Server}, _, State) -> {reply, gen_server:call(Server, {call, State}, infinity), State};
handle_call(work, _, State) -> timer:sleep(1000000), {reply, ok, State};
handle_call(_, _, State) -> {reply, ok, State}.
handle_cast(_, State) -> {noreply, State}.
