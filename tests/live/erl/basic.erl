%% SPDX-License-Identifier: MIT
%% One of everything that processes do to each other, in known numbers:
%% spawns, exits by reason, links, monitors, names, plain and equal messages,
%% self-sends, sends to the dead, aliases, timers, ports, calls and casts.
-module(basic).
-behaviour(gen_server).

-import(live, [note/1, own/1, recv/2, spawned/5]).
-export([setup/1, run/1]).
-export([sink/0, leave/1, idle/1, answer/2, hurry/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

setup(_) ->
    {ok, Server} = gen_server:start(?MODULE, [], []),
    own(Server),
    note({check, ['proc.spawn', 'proc.exit', 'proc.exit_signal', 'proc.link',
                  'proc.unlink', 'proc.monitor', 'proc.demonitor', 'proc.down',
                  'proc.register', 'proc.unregister', 'msg.send',
                  'msg.receive']}),
    Server.

run(Server) ->
    spawns(),
    exits(),
    links(),
    monitors(),
    names(),
    plain(),
    to_self(),
    to_the_dead(),
    aliases(),
    priority(),
    timers(),
    ports(),
    calls(Server),
    %% The root itself ends in live:root/2.
    note({exit, self(), normal}).

%% ---- the ways to send, with their truth ---------------------------------

send(To, Msg) ->
    To ! Msg,
    note({send, self(), To, Msg}).

%% ---- processes ----------------------------------------------------------

spawns() ->
    %% A fun shows as what the emulator is really asked for.
    Fun = fun() -> ok end,
    P1 = spawned(spawn(Fun), erlang, apply, [Fun, []], []),
    note({exit, P1, normal}),
    live:wait_for(P1),

    P2 = spawned(spawn(?MODULE, leave, [normal]), ?MODULE, leave, [normal], []),
    note({exit, P2, normal}),
    live:wait_for(P2),

    %% Linked to us; normal exits of a linked process are signals, too.
    P3 = spawned(spawn_link(?MODULE, leave, [normal]), ?MODULE, leave, [normal], [link]),
    note({exit, P3, normal}),
    note({exit_signal, P3, self(), normal, link}),
    live:wait_for(P3),

    {P4, R4} = spawn_monitor(?MODULE, leave, [{bye, "now"}]),
    spawned(P4, ?MODULE, leave, [{bye, "now"}], [monitor]),
    note({exit, P4, {bye, "now"}}),
    note({down, self(), P4, R4, {bye, "now"}}),
    recv(signal, {'DOWN', R4, process, P4, {bye, "now"}}),

    {P5, R5} = spawn_opt(?MODULE, leave, [normal], [link, monitor, {priority, high}]),
    spawned(P5, ?MODULE, leave, [normal], [link, monitor]),
    note({exit, P5, normal}),
    note({exit_signal, P5, self(), normal, link}),
    note({down, self(), P5, R5, normal}),
    recv(signal, {'DOWN', R5, process, P5, normal}),

    %% Many that are alike.
    [begin
         P = spawned(spawn(?MODULE, leave, [N]), ?MODULE, leave, [N], []),
         note({exit, P, N}),
         live:wait_for(P)
     end || N <- lists:seq(1, 50)].

leave(normal) -> ok;
leave({error, Why}) -> error(Why);
leave({throw, What}) -> throw(What);
leave(div_by_zero) -> 1 div zero();
leave(Reason) -> exit(Reason).

zero() -> 0.

%% Exit reasons as a watcher is told them: stack traces included.
exits() ->
    [begin
         {P, R} = spawn_monitor(?MODULE, leave, [How]),
         spawned(P, ?MODULE, leave, [How], [monitor]),
         receive
             {'DOWN', R, process, P, Reason} = Down ->
                 note({exit, P, Reason}),
                 note({down, self(), P, R, Reason}),
                 note({recv, self(), signal, Down})
         end
     end || How <- [shutdown, {shutdown, restart}, "text", <<"binary">>, 3.25,
                    #{reason => #{deep => [1, 2]}}, {error, bad_luck},
                    {throw, ball}, div_by_zero, 'quoted atom', kill]],
    %% Ended from outside, with the reason that each kind of signal leaves.
    [begin
         P = spawned(spawn(?MODULE, idle, [How]), ?MODULE, idle, [How], []),
         exit(P, How),
         note({exit_signal, self(), P, How, exit}),
         note({exit, P, Left}),
         live:wait_for(P)
     end || {How, Left} <- [{kill, killed}, {shutdown, shutdown},
                            {{because, 42}, {because, 42}}]],
    %% One who traps lives on, and is told.
    Trap = {trap, self()},
    T = spawned(spawn(?MODULE, idle, [Trap]), ?MODULE, idle, [Trap], []),
    receive {T, ready} = Ready -> note({recv, self(), T, Ready}) end,
    exit(T, mild),
    note({exit_signal, self(), T, mild, exit}),
    note({recv, T, signal, {'EXIT', self(), mild}}),
    note({exit, T, {told, mild}}),
    live:wait_for(T).

idle({trap, Parent}) ->
    process_flag(trap_exit, true),
    send(Parent, {self(), ready}),
    receive {'EXIT', _, Why} -> exit({told, Why}) end;
idle(_) ->
    receive never -> ok end.

links() ->
    P = spawned(spawn(?MODULE, sink, []), ?MODULE, sink, [], []),
    link(P),
    note({link, self(), P}),
    link(P), % once more is nothing
    unlink(P),
    note({unlink, self(), P}),
    stop(P),
    %% A link takes the other along; a third that traps is told.
    process_flag(trap_exit, true),
    A = spawned(spawn_link(?MODULE, sink, []), ?MODULE, sink, [], [link]),
    exit(A, broken),
    note({exit_signal, self(), A, broken, exit}),
    note({exit, A, broken}),
    note({exit_signal, A, self(), broken, link}),
    recv(signal, {'EXIT', A, broken}),
    process_flag(trap_exit, false).

monitors() ->
    W = spawned(spawn(?MODULE, sink, []), ?MODULE, sink, [], []),
    R1 = monitor(process, W),
    note({monitor, self(), W, R1}),
    demonitor(R1, [flush]),
    note({demonitor, self(), W, R1}),
    R2 = monitor(process, W),
    note({monitor, self(), W, R2}),
    R3 = monitor(process, W),
    note({monitor, self(), W, R3}),
    stop(W),
    [begin
         note({down, self(), W, R, normal}),
         recv(signal, {'DOWN', R, process, W, normal})
     end || R <- [R2, R3]],
    ok.

names() ->
    P = spawned(spawn(?MODULE, sink, []), ?MODULE, sink, [], []),
    register(a_name, P),
    note({register, P, a_name}),
    a_name ! by_name,
    note({send, self(), P, by_name}),
    note({recv, P, self(), by_name}),
    unregister(a_name),
    note({unregister, P, a_name}),
    register('another näme', P),
    note({register, P, 'another näme'}),
    stop(P), % frees the name
    note({unregister, P, 'another näme'}),
    ok.

%% ---- messages -----------------------------------------------------------

%% Takes all, until told to stop; the senders know what it receives.
sink() ->
    receive
        stop -> ok;
        _ -> sink()
    end.

%% Send to a sink, and note its receiving, too.
feed(Sink, Msg) ->
    send(Sink, Msg),
    note({recv, Sink, self(), Msg}).

stop(Sink) ->
    feed(Sink, stop),
    note({exit, Sink, normal}),
    live:wait_for(Sink).

plain() ->
    P = spawned(spawn(?MODULE, sink, []), ?MODULE, sink, [], []),
    [feed(P, same) || _ <- lists:seq(1, 200)],
    [feed(P, {numbered, N, [a, "text", <<"bytes">>]}) || N <- lists:seq(1, 200)],
    [feed(P, Msg) || Msg <- [[], {}, #{}, <<>>, "", 0, -1, 1.5, self(), P, make_ref()]],
    %% The other ways to send.
    erlang:send(P, by_send2),
    note({send, self(), P, by_send2}),
    note({recv, P, self(), by_send2}),
    ok = erlang:send(P, by_send3, [noconnect, nosuspend]),
    note({send, self(), P, by_send3}),
    note({recv, P, self(), by_send3}),
    stop(P).

to_self() ->
    [begin
         send(self(), {mine, N}),
         recv(self(), {mine, N})
     end || N <- lists:seq(1, 20)].

%% Sends that never reach a queue are no msg.send.
to_the_dead() ->
    P = spawned(spawn(?MODULE, leave, [normal]), ?MODULE, leave, [normal], []),
    note({exit, P, normal}),
    live:wait_for(P),
    [P ! {too_late, N} || N <- lists:seq(1, 20)],
    try nobody_has_this_name ! lost
    catch error:badarg -> ok
    end.

-if(?OTP_RELEASE >= 24).
%% A message to an alias is reported as sent; whether it arrived is known from
%% the receive alone.
aliases() ->
    A = alias(),
    P = spawned(spawn(?MODULE, answer, [A, self()]), ?MODULE, answer, [A, self()], []),
    recv(P, {one, A}),
    unalias(A),
    send(P, go_on),
    note({recv, P, self(), go_on}),
    recv(P, {three, A}),
    note({exit, P, normal}),
    live:wait_for(P).

answer(Alias, Pid) ->
    Alias ! {one, Alias},
    note({send, self(), {alias, Alias, Pid}, {one, Alias}}),
    receive go_on -> ok end,
    Alias ! {two, Alias}, % dropped by the receiver
    note({send, self(), {alias, Alias, Pid}, {two, Alias}}),
    send(Pid, {three, Alias}).
-else.
aliases() -> ok. % there are none

answer(_, _) -> ok.
-endif.

%% Messages that overtake others, by an alias or straight to the process.
-if(?OTP_RELEASE >= 29).
priority() ->
    A = alias([priority]),
    P = spawned(spawn(?MODULE, hurry, [A, self()]), ?MODULE, hurry, [A, self()], []),
    [recv(P, M) || M <- [{first, A}, {second, self()}, third]],
    note({exit, P, normal}),
    live:wait_for(P),
    erlang:send(P, too_late, [priority]).

hurry(A, Pid) ->
    erlang:send(A, {first, A}, [priority]),
    note({send, self(), {alias, A, Pid}, {first, A}}),
    erlang:send(Pid, {second, Pid}, [priority]),
    note({send, self(), Pid, {second, Pid}}),
    send(Pid, third).
-else.
priority() -> ok. % there is none

hurry(_, _) -> ok.
-endif.

timers() ->
    _ = erlang:send_after(1, self(), {after_a_while, 1}),
    note({send, timer, self(), {after_a_while, 1}}),
    recv(timer, {after_a_while, 1}),
    T = erlang:start_timer(1, self(), "payload"),
    note({send, timer, self(), {timeout, T, "payload"}}),
    recv(timer, {timeout, T, "payload"}),
    C = erlang:send_after(100000, self(), never_sent),
    true = is_integer(erlang:cancel_timer(C)),
    [begin
         _ = erlang:send_after(0, self(), tick),
         note({send, timer, self(), tick}),
         recv(timer, tick)
     end || _ <- lists:seq(1, 20)].

%% The forker's handshake at opening is the emulator's own affair.
ports() ->
    note({'maybe', 'msg.send', any, self(), <<"^\\{#Ref<[0-9.]+>,#Port<[0-9.]+>\\}$">>}),
    note({'maybe', 'msg.receive', self(), any, <<"^\\{#Ref<[0-9.]+>,#Port<[0-9.]+>\\}$">>}),
    Port = open_port({spawn_executable, "/bin/cat"}, [binary, {packet, 2}]),
    note({'maybe', 'proc.link', self(), Port, <<>>}),
    note({'maybe', 'proc.unlink', self(), Port, <<>>}),
    note({'maybe', 'proc.exit_signal', any, self(), <<"^normal$">>}),
    [begin
         port_command(Port, Data),
         note({send, port, self(), {Port, {data, Data}}}),
         recv(port, {Port, {data, Data}})
     end || Data <- [<<"hello">>, <<"ping">>, <<"ping">>, <<"ping">>]],
    unlink(Port),
    port_close(Port).

%% ---- calls --------------------------------------------------------------

calls(Server) ->
    [begin
         {echo, X} = gen_server:call(Server, {echo, X}),
         ok = gen_server:call(Server, {later, X}),
         ok = gen_server:cast(Server, {cast, X}),
         note({send, self(), Server, {'$gen_cast', {cast, X}}}),
         note({recv, Server, self(), {'$gen_cast', {cast, X}}})
     end || X <- [1, same, same, {a, [b]}, "x" | lists:seq(1, 45)]],
    send(Server, {info, self()}),
    note({recv, Server, self(), {info, self()}}).

init([]) -> {ok, none}.

%% The request's From holds the monitor, which from OTP 24 on is the alias, too:
%% the server knows all that the caller did.
handle_call(Request, {Caller, Tag} = From, State) ->
    {Ref, To} = case Tag of
                    [alias | R] -> {R, {alias, R, Caller}};
                    R -> {R, Caller}
                end,
    note({monitor, Caller, self(), Ref}),
    note({send, Caller, self(), {'$gen_call', From, Request}}),
    note({recv, self(), Caller, {'$gen_call', From, Request}}),
    Reply = case Request of
                {echo, _} -> Request;
                {later, _} -> ok
            end,
    note({send, self(), To, {Tag, Reply}}),
    note({recv, Caller, self(), {Tag, Reply}}),
    note({demonitor, Caller, self(), Ref}),
    case Request of
        {echo, _} -> {reply, Reply, State};
        {later, _} -> gen_server:reply(From, Reply), {noreply, State}
    end.

handle_cast(_, State) -> {noreply, State}.
handle_info(_, State) -> {noreply, State}.
