%% SPDX-License-Identifier: MIT
%% Processes that use processor time in known ways: one in three functions by
%% 70, 20 and 10 parts of a hundred, the others in deep stacks, in BIFs, in
%% collections and by messages. Its truth is the names and the shares.
-module(shares).

-import(live, [note/1]).
-export([setup/1, run/1]).

-define(ALONE_MS, 2500).
-define(TOGETHER_MS, 1000).

setup(_) ->
    none.

run(_) ->
    part(?ALONE_MS, [{shares_parts, fun parts/0}]),
    part(?TOGETHER_MS, [{shares_deep, fun deep/0}, {shares_sort, fun sort/0},
                        {shares_bifs, fun bifs/0}, {shares_ping, fun ping/0}]),
    note({as, [{t, <<"profile">>}, {name, <<"shares_parts">>},
               {shares, [[{f, <<"shares:a/1">>}, {percent, 70}],
                         [{f, <<"shares:b/1">>}, {percent, 20}],
                         [{f, <<"shares:c/1">>}, {percent, 10}]]}]}).

part(Ms, Parts) ->
    End = cpu_ms() + Ms,
    Refs = [begin
                {Pid, Ref} = spawn_monitor(fun() -> until(End, Part) end),
                register(Name, Pid),
                Ref
            end || {Name, Part} <- Parts],
    [receive {'DOWN', Ref, _, _, normal} -> ok end || Ref <- Refs].

until(End, Part) ->
    _ = Part(),
    case cpu_ms() < End of
        true -> until(End, Part);
        false -> ok
    end.

%% Processor time of the node: there are as many samples, however busy the machine
%% is.
cpu_ms() -> element(1, erlang:statistics(runtime)).

parts() -> a(700000), b(200000), c(100000).

%% The same code does the work of all three: loops of their own would take time
%% by where they happen to be in memory, too.
a(N) -> ok = burn(N), a.
b(N) -> ok = burn(N), b.
c(N) -> ok = burn(N), c.

burn(0) -> ok;
burn(N) -> burn(N - 1).

deep() -> deeper(300) + deeper(2000).

deeper(0) -> lists:sum(lists:seq(1, 50));
deeper(N) -> 1 + deeper(N - 1).

sort() ->
    L = [erlang:phash2(X) || X <- lists:seq(1, 3000)],
    _ = maps:from_list([{X, X} || X <- lists:seq(1, 500)]),
    lists:sort(fun(A, B) -> A > B end, L).

bifs() ->
    B = list_to_binary([integer_to_list(X) || X <- lists:seq(1, 500)]),
    _ = binary:split(B, <<"9">>, [global]),
    _ = term_to_binary(lists:seq(1, 1000)),
    erlang:md5(B).

ping() ->
    Me = self(),
    P = spawn(fun() -> pong(Me) end),
    [begin P ! N, receive N -> ok end end || N <- lists:seq(1, 1000)],
    P ! stop.

pong(To) ->
    receive
        stop -> ok;
        N -> To ! N, pong(To)
    end.
