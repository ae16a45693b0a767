%% SPDX-License-Identifier: MIT
%% Processes that stand still with all kinds of stacks, and what the node itself
%% says of every process's: current_stacktrace to any depth, and the words of
%% the stack as process_info(P, backtrace) prints them.
-module(stacks).
-behaviour(gen_server).

-import(live, [note/1]).
-export([setup/1, run/1]).
-export([deep/2, even/1, odd/1, tries/1, values/1, wakes_to/0, lists/1, last/1]).
-export([init/1, handle_call/3, handle_cast/2]).
-export([callback_mode/0, state/3]).

setup(_) ->
    erlang:system_flag(backtrace_depth, 100000),
    {ok, _} = gen_server:start({local, stacks_server}, ?MODULE, server, []),
    {ok, _} = gen_statem:start({local, stacks_statem}, ?MODULE, statem, []),
    Places = [{deep, [3, []]}, {deep, [700, x]}, {deep, [20000, <<"y">>]}, {even, [1001]},
              {tries, [5]}, {values, [1]}, {lists, [[1, 2, 3]]}, {last, [17]}],
    [spawn(?MODULE, F, A) || {F, A} <- Places],
    spawn(erlang, hibernate, [?MODULE, wakes_to, []]),
    spawn(timer, sleep, [infinity]),
    register(stacks_deep, spawn(?MODULE, deep, [9, {some, "text"}])),
    spawn(fun() -> F = fun(X) -> receive X -> X end, ok end, F(stop) end),
    receive after 1300 -> ok end, % until all of them wait; supervisors hibernate
    self().

run(Driver) ->
    [told(P) || P <- processes(), P =/= self(), P =/= Driver].

told(P) ->
    case process_info(P, [current_stacktrace, backtrace, status, registered_name,
                          dictionary]) of
        [{_, Trace}, {_, Text}, {_, waiting}, {_, Name}, _] ->
            note({as, [{t, stack}, {pid, live:text(P)},
                       {name, case Name of [] -> <<>>; _ -> atom_to_binary(Name) end},
                       {trace, [[{mfa, mfa(F)}, {file, file(F)}, {line, line(F)}]
                                || F <- Trace]},
                       {backtrace, unicode:characters_to_binary(Text, latin1)}]});
        _ -> ok
    end.

mfa({M, F, A, _}) ->
    iolist_to_binary([atom_to_binary(M), $:, atom_to_binary(F), $/, integer_to_binary(A)]).
file({_, _, _, L}) -> unicode:characters_to_binary(proplists:get_value(file, L, "")).
line({_, _, _, L}) -> proplists:get_value(line, L, 0).

deep(0, _) ->
    receive stop -> ok end,
    [];
deep(N, Kept) ->
    [{N, Kept} | deep(N - 1, Kept)].

even(0) -> receive stop -> ok end, 0;
even(N) -> 1 + odd(N - 1).
odd(0) -> receive stop -> ok end, 0;
odd(N) -> 1 +
              even(N - 1).

tries(0) -> receive stop -> ok end;
tries(N) ->
    try tries(N - 1), ok
    catch throw:{me, N} -> caught
    after N
    end.

%% One register of each kind of term.
values(N) ->
    A = {N, 2.5, -N, 1 bsl 70, -(1 bsl 90)},
    B = #{a => N, "b" => [N], <<"c">> => #{}},
    C = maps:from_list([{I, I} || I <- lists:seq(1, 8)]),
    D = [a, 'B c', N | improper],
    E = "a text of " ++ integer_to_list(N),
    F = <<"a binary ", (integer_to_binary(N))/binary>>,
    G = <<N:7>>,
    H = self(),
    I = fun values/1,
    J = binary:copy(<<"long ">>, 30),
    K = lists:seq(1, 20),
    receive stop -> ok end,
    {A, B, C, D, E, F, G, H, I, J, K, N}.

lists(L) ->
    lists:map(fun(X) -> lists:foldl(fun(Y, Acc) -> receive stop -> X + Y + Acc end end, 0, L)
              end, L).

%% A call that is the last instruction of its function.
last(N) ->
    receive stop -> ok after infinity -> ok end,
    erlang:error(N).

wakes_to() ->
    ok.

init(server) -> {ok, #{kind => server}};
init(statem) -> {ok, state, [data]}.
handle_call(_, _, State) -> {reply, ok, State}.
handle_cast(_, State) -> {noreply, State}.
callback_mode() -> state_functions.
state(_, _, Data) -> {keep_state, Data}.
