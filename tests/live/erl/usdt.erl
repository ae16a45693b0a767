%% SPDX-License-Identifier: MIT
%% What USDT probes tell exactly, in known numbers, with the parties and texts
%% that they have; and sends that they do not tell.
-module(usdt).

-import(live, [note/1, own/1]).
-export([setup/1, run/1]).
-export([child/0, sleeper/0, wake/0, collector/3, yielder/2, port_user/1]).

setup(_) ->
    note({check, []}).

%% An event of that kind, once, with these keys; tests/live/usdt.py compares.
event(Kind, Says) ->
    note({as, [{t, usdt}, {kind, Kind} | Says]}).

run(_) ->
    note({as, [{t, usdt_kinds},
               {kinds, ['proc.spawn', 'proc.exit', 'proc.exit_signal', 'proc.hibernate',
                        'msg.send', 'msg.receive', 'gc.start', 'gc.end', 'sched.out',
                        'port.open', 'port.close', 'port.command', 'port.control']}]}),
    event('proc.spawn', [{child, self()}, {mfa, <<"erlang:apply/2">>}]),
    [life(N) || N <- lists:seq(1, 200)],
    signals(),
    hibernation(),
    untold(),
    collections(),
    yields(),
    ports(),
    event('proc.exit', [{pid, self()}, {reason, normal}]).

started(F, Args) ->
    P = spawn(?MODULE, F, Args),
    own(P),
    event('proc.spawn', [{child, P}, {mfa, mfa(F, length(Args))}]),
    P.

mfa(F, A) ->
    iolist_to_binary(io_lib:format("usdt:~s/~b", [F, A])).

send(To, Msg) ->
    To ! Msg,
    event('msg.send', [{pid, self()}, {to, To}, {size_words, erts_debug:flat_size(Msg)}]).

got(Msg) ->
    event('msg.receive', [{pid, self()}, {size_words, erts_debug:flat_size(Msg)}]).

%% Spawned, told how to end, ended.
life(N) ->
    P = started(child, []),
    send(P, {leave, lists:seq(1, N rem 20), {because, N}}),
    live:wait_for(P).

child() ->
    receive
        {leave, _, Why} = Msg ->
            got(Msg),
            event('proc.exit', [{pid, self()}, {reason, live:text(Why)}]),
            exit(Why)
    end.

signals() ->
    P = started(sleeper, []),
    exit(P, {please, [leave]}),
    event('proc.exit_signal', [{pid, self()}, {to, P}, {reason, <<"{please,[leave]}">>}]),
    event('proc.exit', [{pid, P}, {reason, <<"{please,[leave]}">>}]),
    live:wait_for(P),
    %% Killed says killed.
    Q = started(sleeper, []),
    exit(Q, kill),
    event('proc.exit_signal', [{pid, self()}, {to, Q}, {reason, killed}]),
    event('proc.exit', [{pid, Q}, {reason, killed}]),
    live:wait_for(Q).

sleeper() ->
    receive never -> ok end.

hibernation() ->
    P = spawn(erlang, hibernate, [?MODULE, wake, []]),
    own(P),
    event('proc.spawn', [{child, P}, {mfa, <<"erlang:hibernate/3">>}]),
    event('proc.hibernate', [{pid, P}, {mfa, mfa(wake, 0)}]),
    live:wait_for_state(P, waiting),
    send(P, {wake, self()}),
    live:wait_for(P).

wake() ->
    receive
        {wake, _} = Msg ->
            got(Msg),
            event('proc.exit', [{pid, self()}, {reason, normal}])
    end.

%% To an alias, to nobody, from a timer: received, where they are, all the same.
untold() ->
    %% By name: older compilers do not know these.
    Alias = apply(erlang, alias, []),
    Alias ! {by, [alias]},
    receive {by, [alias]} = A -> got(A) end,
    apply(erlang, unalias, [Alias]),
    erlang:send_after(1, self(), {by, [timer]}),
    receive {by, [timer]} = T -> got(T) end,
    P = started(sleeper, []),
    exit(P, kill),
    event('proc.exit_signal', [{pid, self()}, {to, P}, {reason, killed}]),
    event('proc.exit', [{pid, P}, {reason, killed}]),
    live:wait_for(P),
    P ! {to, nobody}.

%% As the process itself knows them afterwards.
collections() ->
    P = spawn_opt(?MODULE, collector, [self(), 30, 20], [{min_heap_size, 50000}]),
    own(P),
    event('proc.spawn', [{child, P}, {mfa, mfa(collector, 3)}]),
    receive {P, done} = Msg -> got(Msg) end,
    live:wait_for(P).

collector(Root, Major, Minor) ->
    Asked = [major || _ <- lists:seq(1, Major)] ++ [minor || _ <- lists:seq(1, Minor)],
    Were = [begin
                erlang:garbage_collect(self(), [{type, Type}]),
                {_, Info} = process_info(self(), garbage_collection),
                0 =:= proplists:get_value(minor_gcs, Info)
            end || Type <- Asked],
    [event(Kind, [{pid, self()}, {major, Is}]) || Is <- Were, Kind <- ['gc.start', 'gc.end']],
    send(Root, {self(), done}),
    event('proc.exit', [{pid, self()}, {reason, normal}]).

%% As often as the emulator's own tracing says.
yields() ->
    P = started(yielder, [self(), 100]),
    receive {P, ready} = M1 -> got(M1) end,
    live:wait_for_state(P, waiting),
    1 = erlang:trace(P, true, [running]),
    Before = scheduled_out(P, 0),
    send(P, {go, self()}),
    receive {P, done} = M2 -> got(M2) end,
    live:wait_for_state(P, waiting),
    Ref = erlang:trace_delivered(P),
    receive {trace_delivered, P, Ref} = D -> got(D) end,
    Out = scheduled_out(P, Before),
    1 = erlang:trace(P, false, [running]),
    note({as, [{t, usdt_between}, {kind, 'sched.out'}, {pid, P},
               {from, <<"ready">>}, {to, <<"done">>}, {n, Out}]}),
    exit(P, kill),
    event('proc.exit_signal', [{pid, self()}, {to, P}, {reason, killed}]),
    event('proc.exit', [{pid, P}, {reason, killed}]),
    live:wait_for(P).

scheduled_out(P, N) ->
    receive
        {trace, P, out, _} = M -> got(M), scheduled_out(P, N + 1);
        {trace, P, in, _} = M -> got(M), scheduled_out(P, N)
    after 0 -> N
    end.

yielder(Root, N) ->
    send(Root, {self(), ready}),
    receive {go, _} = Msg -> got(Msg) end,
    [erlang:yield() || _ <- lists:seq(1, N)],
    send(Root, {self(), done}),
    receive never -> ok end.

ports() ->
    %% Sockets do many things with their ports: not ours.
    Q = spawn(fun() -> {ok, S} = gen_udp:open(0, []), ok = gen_udp:close(S) end),
    live:wait_for(Q),
    P = started(port_user, [self()]),
    receive {P, done} = Msg -> got(Msg) end,
    live:wait_for(P).

port_user(Root) ->
    Port = open_port({spawn_executable, "/bin/cat"}, [binary]),
    %% Its own answer, {Ref, Port}.
    got({make_ref(), Port}),
    event('port.open', [{pid, self()}, {port, Port}, {command, <<"/bin/cat">>}]),
    [begin
         true = port_command(Port, <<"x", (integer_to_binary(N))/binary>>),
         event('port.command', [{pid, self()}, {port, Port}])
     end || N <- lists:seq(1, 7)],
    true = port_close(Port),
    event('port.close', [{pid, self()}, {port, Port}, {reason, normal}]),
    send(Root, {self(), done}),
    event('proc.exit', [{pid, self()}, {reason, normal}]).
