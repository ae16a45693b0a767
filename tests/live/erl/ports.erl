%% SPDX-License-Identifier: MIT
%% Ports: programs, TCP and UDP sockets, each way to send and to close, and many
%% commands to a program that does not keep up.
-module(ports).
-compile(nowarn_deprecated_catch).

-import(live, [note/1, own/1]).
-export([setup/1, run/1]).
-export([feeder/3, owner/2, talk/2]).

-define(COMMANDS, 5000).
-define(FEEDERS, 4).

setup(_) ->
    note({check, ['port.open', 'port.close', 'port.command', 'port.control',
                  'port.input', 'port.output']}),
    [].

run(_) ->
    program(),
    exit_status(),
    operations(),
    closings(),
    busy(),
    other(fun(Me) -> talk(Me, []) end),
    other(fun(Me) -> talk(Me, [inet6]) end),
    other(fun datagrams/1),
    other(fun connected_datagrams/1).

event(Kind, Says) ->
    note({event, Kind, self(), Says}).

open(Name, Opts, Command) ->
    Port = open_port(Name, Opts),
    event('port.open', [{port, Port}, {driver, spawn}, {command, Command}]),
    Port.

%% A command that the program gives back.
echo(Port, How, Data) ->
    How(Data),
    N = iolist_size(Data),
    event('port.command', [{port, Port}, {bytes, N}]),
    event('port.output', [{port, Port}, {bytes, N}]),
    receive {Port, {data, _}} -> ok end,
    event('port.input', [{port, Port}, {bytes, N}]).

program() ->
    Port = open({spawn_executable, "/bin/cat"}, [binary, {packet, 2}], <<"/bin/cat">>),
    Ways = [fun(D) -> true = port_command(Port, D) end,
            fun(D) -> true = port_command(Port, D, []) end,
            fun(D) -> true = port_command(Port, D, [nosuspend]) end,
            fun(D) -> Port ! {self(), {command, D}} end,
            fun(D) -> erlang:send(Port, {self(), {command, D}}) end],
    [echo(Port, How, D)
     || How <- Ways,
        D <- [<<"bytes">>, "text", [], [$a, ["b", [<<"c">> | <<"d">>]], [[[[$e]]]]],
              binary:copy(<<"x">>, 3000), [[<<"sub">>, binary:part(<<"abcdefgh">>, 2, 3)]]]],
    %% What is no command.
    {'EXIT', _} = (catch port_command(Port, [not_iodata])),
    true = port_close(Port),
    event('port.close', [{port, Port}, {reason, normal}]),
    {'EXIT', _} = (catch port_command(Port, <<"too late">>)).

exit_status() ->
    Port = open({spawn, "/bin/sh -c 'exit 3'"}, [exit_status], <<"/bin/sh -c 'exit 3'">>),
    receive {Port, {exit_status, 3}} -> ok end,
    event('port.input', [{port, Port}, {exit_status, 3}]),
    event('port.close', [{port, Port}, {reason, normal}]),
    {'EXIT', _} = (catch open_port({spawn_executable, "/no/such/program"}, [])).

%% The driver of programs knows no operations, but is asked.
operations() ->
    Port = open({spawn_executable, "/bin/cat"}, [], <<"/bin/cat">>),
    {'EXIT', _} = (catch port_control(Port, 17, [1, 2, <<"three">>])),
    event('port.control', [{port, Port}, {op, 17}, {bytes, 7}]),
    {'EXIT', _} = (catch erlang:port_call(Port, 18, {a, term})),
    event('port.control', [{port, Port}, {op, 18}, {call, 'True'}]),
    Port ! {self(), close},
    receive {Port, closed} -> ok end,
    event('port.close', [{port, Port}, {reason, normal}]).

closings() ->
    One = open({spawn_executable, "/bin/cat"}, [], <<"/bin/cat">>),
    unlink(One),
    exit(One, {because, 42}),
    event('port.close', [{port, One}, {reason, <<"{because,42}">>}]),
    %% Its owner's end is a port's.
    Pid = spawn(?MODULE, owner, [self(), bye]),
    own(Pid),
    receive {Pid, Two} -> ok end,
    note({event, 'port.open', Pid, [{port, Two}, {driver, spawn}, {command, <<"/bin/cat">>}]}),
    note({event, 'port.close', Pid, [{port, Two}, {reason, bye}]}),
    live:wait_for(Pid),
    wait_closed(One),
    wait_closed(Two).

owner(Parent, Reason) ->
    Parent ! {self(), open_port({spawn_executable, "/bin/cat"}, [])},
    exit(Reason).

wait_closed(Port) ->
    case erlang:port_info(Port, id) of
        undefined -> ok;
        _ -> receive after 5 -> wait_closed(Port) end
    end.

%% More than a pipe takes: the senders are suspended, and try again.
busy() ->
    Port = open({spawn, "/bin/sh -c 'sleep 0.3; cat >/dev/null'"}, [],
                <<"/bin/sh -c 'sleep 0.3; cat >/dev/null'">>),
    Pids = [begin
                Pid = spawn(?MODULE, feeder, [Port, self(), ?COMMANDS]),
                own(Pid),
                note({events, ?COMMANDS, 'port.command', Pid, [{port, Port}, {bytes, 1000}]}),
                Pid
            end || _ <- lists:seq(1, ?FEEDERS)],
    note({events, ?FEEDERS * ?COMMANDS, 'port.output', self(),
          [{port, Port}, {bytes, 1000}]}),
    [receive {Pid, done} -> ok end || Pid <- Pids],
    true = port_close(Port),
    event('port.close', [{port, Port}, {reason, normal}]),
    wait_closed(Port).

feeder(_, To, 0) ->
    To ! {self(), done};
feeder(Port, To, N) ->
    true = port_command(Port, binary:copy(<<"x">>, 1000)),
    feeder(Port, To, N - 1).

%% ---- sockets ----------------------------------------------------------------

%% What gen_tcp and gen_udp ask of their driver is their own affair, and so are
%% the driver's answers, which hold no data.
other(Fun) ->
    Me = self(),
    Pid = spawn(fun() -> Fun(Me) end),
    own(Pid),
    note({'maybe', 'port.control', Pid, any, <<"">>}),
    note({'maybe', 'port.input', Pid, any, <<"bytes=0">>}),
    receive {Pid, done} -> live:wait_for(Pid) end.

%% What a process gives to a socket begins with its reference from 27 on.
tag() ->
    case erlang:system_info(otp_release) >= "27" of
        true -> 28;
        false -> 0
    end.

address({A, B, C, D}, Port) ->
    iolist_to_binary(io_lib:format("~b.~b.~b.~b:~b", [A, B, C, D, Port]));
address({0, 0, 0, 0, 0, 0, 0, 1}, Port) ->
    iolist_to_binary(io_lib:format("[::1]:~b", [Port])).

loopback([inet6]) -> {0, 0, 0, 0, 0, 0, 0, 1};
loopback(_) -> {127, 0, 0, 1}.

talk(Me, Family) ->
    IP = loopback(Family),
    {ok, L} = gen_tcp:listen(0, Family ++ [binary, {active, false}, {ip, IP}]),
    {ok, LP} = inet:port(L),
    {ok, C} = gen_tcp:connect(IP, LP, Family ++ [binary, {active, true}]),
    {ok, A} = gen_tcp:accept(L),
    {ok, CP} = inet:port(C),
    event('port.open', [{port, L}, {driver, tcp_inet}, {command, tcp_inet}]),
    %% None is connected when it is opened.
    [event('port.open', [{port, P}, {driver, tcp_inet}, {command, tcp_inet}]) || P <- [C, A]],
    receive after 100 -> ok end,
    [begin
         ok = gen_tcp:send(From, Data),
         N = iolist_size(Data),
         event('port.command', [{port, From}, {bytes, N + tag()}, {peer, address(IP, ToPort)}]),
         event('port.output', [{port, From}, {bytes, N}, {peer, address(IP, ToPort)}])
     end || {From, ToPort} <- [{C, LP}, {A, CP}],
            Data <- [<<"0123456789">>, ["abc", <<"de">>], binary:copy(<<"y">>, 2000)]],
    %% A stream arrives in pieces of its own.
    note({'maybe', 'port.input', self(), any, <<"bytes=[0-9]+ peer=">>}),
    {ok, _} = gen_tcp:recv(A, 2015),
    gather(C, 2015),
    %% What is gone when its events are read has no address.
    receive after 300 -> ok end,
    note({socket, C, address(IP, CP)}),
    note({socket, A, address(IP, LP)}),
    [begin
         ok = gen_tcp:close(P),
         event('port.close', [{port, P}, {reason, normal} | Peer])
     end || {P, Peer} <- [{C, [{peer, address(IP, LP)}]}, {A, [{peer, address(IP, CP)}]},
                          {L, []}]],
    Me ! {self(), done}.

gather(_, 0) -> ok;
gather(S, N) -> receive {tcp, S, Data} -> gather(S, N - byte_size(Data)) end.

socket() ->
    {ok, U} = gen_udp:open(0, [binary, {active, true}, {ip, {127, 0, 0, 1}}]),
    event('port.open', [{port, U}, {driver, udp_inet}, {command, udp_inet}]),
    {ok, Port} = inet:port(U),
    {U, Port, address({127, 0, 0, 1}, Port)}.

datagrams(Me) ->
    {U, UP, UA} = socket(),
    {V, VP, VA} = socket(),
    receive after 100 -> ok end,
    [begin
         ok = gen_udp:send(From, {127, 0, 0, 1}, ToPort, Data),
         N = byte_size(Data),
         note({'maybe', 'port.command', self(), From, <<"bytes=">>}),
         event('port.output', [{port, From}, {bytes, N}, {peer, ToAddr}]),
         receive {udp, To, _, _, Data} -> ok end,
         event('port.input', [{port, To}, {bytes, N}, {peer, FromAddr}])
     end || {From, FromAddr, To, ToPort, ToAddr} <- [{U, UA, V, VP, VA}, {V, VA, U, UP, UA}],
            Data <- [<<"datagram">>, <<>>, binary:copy(<<"z">>, 1200)]],
    receive after 300 -> ok end,
    note({socket, U, UA}),
    note({socket, V, VA}),
    [begin
         ok = gen_udp:close(P),
         event('port.close', [{port, P}, {reason, normal}])
     end || P <- [U, V]],
    Me ! {self(), done}.

connected_datagrams(Me) ->
    {U, UP, UA} = socket(),
    {V, VP, VA} = socket(),
    ok = gen_udp:connect(U, {127, 0, 0, 1}, VP),
    receive after 100 -> ok end,
    ok = gen_udp:send(U, <<"connected">>),
    note({'maybe', 'port.command', self(), U, <<"bytes=">>}),
    event('port.output', [{port, U}, {bytes, 9}, {peer, VA}]),
    receive {udp, V, _, UP, <<"connected">>} -> ok end,
    event('port.input', [{port, V}, {bytes, 9}, {peer, UA}]),
    [begin
         ok = gen_udp:close(P),
         event('port.close', [{port, P}, {reason, normal} | Peer])
     end || {P, Peer} <- [{U, [{peer, VA}]}, {V, []}]],
    Me ! {self(), done}.
