%% SPDX-License-Identifier: MIT
%% Timers: started in each way, canceled in each way, run out, and those of
%% receive.
-module(timers).
-compile(nowarn_deprecated_catch).

-import(live, [note/1, own/1]).
-export([setup/1, run/1]).
-export([waiter/2]).

-define(MANY, 2000).

setup(_) ->
    note({check, ['timer.start', 'timer.cancel', 'timer.timeout']}),
    [].

run(_) ->
    %% Waiting for others polls.
    note({'maybe', 'timer.start', self(), any, <<"type=receive">>}),
    fired(),
    later(),
    canceled(),
    refused(),
    many(),
    receives().

started(Ref, Msg, After) ->
    note({event, 'timer.start', self(),
          [{ref, Ref}, {to, self()}, {msg, live:text(Msg)}, {after_ns, After * 1000000}]}).

timeout(Ref, Msg) ->
    receive Msg -> ok end,
    note({event, 'timer.timeout', undefined, [{ref, Ref}, {to, self()}, {msg, live:text(Msg)}]}).

fired() ->
    A = erlang:start_timer(5, self(), {payload, 1}),
    started(A, {payload, 1}, 5),
    timeout(A, {timeout, A, {payload, 1}}),
    B = erlang:start_timer(0, self(), "text", []),
    started(B, "text", 0),
    timeout(B, {timeout, B, "text"}),
    C = erlang:send_after(3, self(), {plain, #{key => value}}),
    started(C, {plain, #{key => value}}, 3),
    timeout(C, {plain, #{key => value}}),
    D = erlang:send_after(2, self(), options, [{abs, false}]),
    started(D, options, 2),
    timeout(D, options),
    At = erlang:monotonic_time(millisecond) + 5,
    E = erlang:start_timer(At, self(), at, [{abs, true}]),
    note({event, 'timer.start', self(), [{ref, E}, {to, self()}, {msg, at}, {at_ms, At}]}),
    timeout(E, {timeout, E, at}).

%% More than the wheel's soon end: another kind of timer inside.
later() ->
    R = erlang:start_timer(40000000, self(), far),
    started(R, far, 40000000),
    true = is_integer(erlang:cancel_timer(R)),
    note({event, 'timer.cancel', self(), [{ref, R}]}).

canceled() ->
    R = erlang:send_after(100000, self(), never),
    started(R, never, 100000),
    true = is_integer(erlang:cancel_timer(R)),
    note({event, 'timer.cancel', self(), [{ref, R}]}),
    false = erlang:cancel_timer(R, []),
    note({event, 'timer.cancel', self(), [{ref, R}, {found, 'False'}]}),
    false = erlang:cancel_timer(make_fired()),
    ok.

make_fired() ->
    R = erlang:send_after(0, self(), soon),
    started(R, soon, 0),
    timeout(R, soon),
    note({event, 'timer.cancel', self(), [{ref, R}, {found, 'False'}]}),
    R.

refused() ->
    {'EXIT', _} = (catch erlang:start_timer(-1, self(), no)),
    {'EXIT', _} = (catch erlang:send_after(1, {not_a, pid}, no)),
    {'EXIT', _} = (catch erlang:cancel_timer(no_reference)),
    R = erlang:send_after(100000, self(), never),
    started(R, never, 100000),
    ok = erlang:cancel_timer(R, [{async, true}, {info, false}]),
    note({event, 'timer.cancel', self(), [{ref, R}, {async, 'True'}]}).

many() ->
    Refs = [begin
                R = erlang:start_timer(N rem 20, self(), N),
                started(R, N, N rem 20),
                {R, N}
            end || N <- lists:seq(1, ?MANY)],
    [timeout(R, {timeout, R, N}) || {R, N} <- Refs].

receives() ->
    Pid = spawn(?MODULE, waiter, [self(), 20]),
    own(Pid),
    note({events, 20, 'timer.start', Pid, [{after_ns, 2000000}, {type, 'receive'}]}),
    note({events, 20, 'timer.start', Pid, [{after_ns, 1000000}, {type, 'receive'}]}),
    receive {Pid, done} -> live:wait_for(Pid) end.

waiter(To, 0) -> To ! {self(), done};
waiter(To, N) ->
    receive never -> ok after 2 -> ok end,
    %% One that the compiler does not know.
    Short = list_to_integer("1"),
    receive never -> ok after Short -> ok end,
    waiter(To, N - 1).
