%% SPDX-License-Identifier: MIT
%% Every way to send, to those who are there and to those who are not.
-module(attempt).

-import(live, [note/1, own/1]).
-export([setup/1, run/1]).

setup(_) ->
    note({check, ['msg.attempt']}).

run(_) ->
    Sink = spawn(fun sink/0),
    Gone = spawn(fun() -> ok end),
    own(Sink),
    live:wait_for(Gone),
    [begin
         processes(Sink, Gone, Send),
         names(Sink, Send),
         by_node(Sink, Send),
         ports(Send),
         aliases(Send),
         nonsense(Send)
     end || Send <- [fun(To, Msg) -> To ! Msg end,
                     fun(To, Msg) -> erlang:send(To, Msg) end,
                     fun(To, Msg) -> erlang:send(To, Msg, [noconnect]) end,
                     fun(To, Msg) -> erlang:send(To, Msg, [noconnect, nosuspend]) end]],
    %% That is no attempt.
    [badarg = try erlang:send(To, never, Options)
              catch error:Why -> Why
              end
     || To <- [Sink, Gone], Options <- [[no_such_option], [noconnect | improper], none]],
    ok.

sink() ->
    receive stop -> ok; _ -> sink() end.

send(Send, To, Msg, Dropped) ->
    note({attempt, self(), To, Msg, Dropped}),
    try Send(To, Msg) catch error:badarg -> badarg end.

processes(Sink, Gone, Send) ->
    [send(Send, Sink, {alive, N}, none) || N <- lists:seq(1, 50)],
    [send(Send, Gone, {dead, N}, noproc) || N <- lists:seq(1, 50)],
    send(Send, self(), {mine, "text", <<"bytes">>}, none),
    receive {mine, _, _} -> ok end.

names(Sink, Send) ->
    send(Send, nobody, by_name, noproc),
    register(somebody, Sink),
    send(Send, somebody, by_name, none),
    unregister(somebody),
    send(Send, somebody, by_name, noproc).

%% What is sent to other nodes is not known here.
by_node(Sink, Send) ->
    register(somebody, Sink),
    send(Send, {somebody, node()}, here, none),
    send(Send, {nobody, node()}, here, noproc),
    send(Send, {somebody, 'there@no.such.host'}, there, none),
    unregister(somebody).

ports(Send) ->
    Port = open_port({spawn_executable, "/bin/cat"}, [binary]),
    Root = self(),
    send(Send, Port, {Root, {command, <<"x">>}}, none),
    receive {Port, {data, <<"x">>}} -> ok end,
    register(some_port, Port),
    send(Send, some_port, {Root, {command, <<"y">>}}, none),
    receive {Port, {data, <<"y">>}} -> ok end,
    send(Send, {some_port, node()}, {Root, {command, <<"z">>}}, none),
    receive {Port, {data, <<"z">>}} -> ok end,
    port_close(Port),
    send(Send, Port, {Root, {command, <<"x">>}}, noport).

%% Whether it arrives, only the receiver knows. They came with OTP 24.
aliases(Send) ->
    case erlang:function_exported(erlang, alias, 0) of
        true ->
            A = erlang:alias(),
            send(Send, A, to_alias, alias),
            receive to_alias -> ok end,
            erlang:unalias(A),
            send(Send, A, to_nobody, alias);
        false ->
            ok
    end.

nonsense(Send) ->
    [send(Send, To, nonsense, badarg) || To <- [17, [], {a, b, c}, {"a", node()}, [self()]]].
