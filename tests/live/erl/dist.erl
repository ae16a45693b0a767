%% SPDX-License-Identifier: MIT
%% Two nodes that send each other one of everything. The peer answers, and is
%% slow at times; the driver knows what it sent, what came back, and what
%% net_kernel told it of nodes.
-module(dist).
-behaviour(gen_server).

-import(live, [note/1]).
-export([setup/1, run/1]).
-export([echo/0, leave/1, wait/0, listen/1]).
-export([init/1, handle_call/3, handle_cast/2]).

setup(["peer"]) ->
    register(dist_echo, spawn(?MODULE, echo, [])),
    {ok, _} = gen_server:start({local, dist_server}, ?MODULE, [], []),
    peer;
setup(["driver", Peer]) ->
    [_, Host] = string:split(atom_to_list(node()), "@"),
    {driver, list_to_atom(Peer ++ "@" ++ Host)}.

run(peer) ->
    receive never -> ok end;
run({driver, Peer}) ->
    ok = net_kernel:monitor_nodes(true, [nodedown_reason, {node_type, all}]),
    true = net_kernel:connect_node(Peer),
    node_is(up, Peer),
    note({as, [{t, driver}, {pid, live:text(self())}]}),
    Echo = {dist_echo, Peer},
    P = echoed(Echo, Peer, first),
    [echoed(Echo, Peer, T) || T <- terms()],
    [echoed(P, Peer, T) || T <- terms()],
    calls(Peer),
    processes(Peer),
    priority(Peer),
    slow(Echo, Peer),
    receive after 200 -> ok end,
    true = erlang:disconnect_node(Peer),
    node_is(down, Peer),
    true = net_kernel:connect_node(Peer),
    node_is(up, Peer),
    echoed(Echo, Peer, again),
    %% What global and others had to say to each other.
    receive after 500 -> ok end.

node_is(up, Peer) ->
    receive {nodeup, Peer, _} -> ok end,
    note({as, [{t, node}, {kind, 'dist.node_up'}, {peer, atom_to_binary(Peer)}]});
node_is(down, Peer) ->
    receive {nodedown, Peer, Info} ->
        {_, Why} = lists:keyfind(nodedown_reason, 1, Info),
        note({as, [{t, node}, {kind, 'dist.node_down'},
                   {peer, atom_to_binary(Peer)}, {reason, live:text(Why)}]})
    end.

terms() ->
    [ok, 'quoted atom', 0, -1, 255, 256, 1 bsl 31, -(1 bsl 31), 1 bsl 59,
     -(1 bsl 59), -(1 bsl 59) - 1, 1 bsl 64, -(1 bsl 200), 1.5, -0.0, 1.0e100,
     [], {}, #{}, "", "text", [1000, 1001], [a | b], [[], [[]]],
     lists:seq(1, 100), list_to_tuple(lists:seq(1, 300)),
     <<>>, <<"binary">>, <<5:3>>, <<1, 2, 3:7>>, binary:copy(<<"x">>, 64),
     binary:copy(<<"x">>, 65), binary:copy(<<"x">>, 300),
     <<"ä"/utf8>>, #{a => 1, <<"b">> => [2], {c} => #{d => e}},
     maps:from_list([{I, I * I} || I <- lists:seq(1, 40)]),
     self(), make_ref(), hd(erlang:ports()), fun lists:map/2,
     [list_to_atom("many_" ++ integer_to_list(N)) || N <- lists:seq(1, 90)],
     %% Several fragments.
     binary:copy(<<"x">>, 200000), {first, binary:copy(<<"y">>, 70000)}].

%% Send and get back.
echoed(To, Peer, Term) ->
    Msg = {self(), Term},
    To ! Msg,
    {Op, Name} = case To of
                     {N, _} -> {'REG_SEND', atom_to_binary(N)};
                     _ -> {'SEND_SENDER', live:text(To)}
                 end,
    note({as, [{t, sent}, {op, Op}, {peer, atom_to_binary(Peer)}, {to, Name},
               {msg, live:text(shown(Msg))}]}),
    receive
        {From, Term} when node(From) =:= Peer ->
            got(From, shown({From, Term})),
            From
    end.

got(From, Msg) ->
    note({as, [{t, received}, {op, 'SEND_SENDER'}, {from, live:text(From)},
               {msg, live:text(Msg)}]}).

%% Of a binary 64 bytes are copied.
shown({P, <<B:64/binary, _, _/binary>>}) -> {P, {cut, B}};
shown({P, {first, <<B:64/binary, _/binary>>}}) -> {P, {first, {cut, B}}};
shown(T) -> T.

calls(Peer) ->
    [N = gen_server:call({dist_server, Peer}, {twice, N div 2})
     || N <- lists:seq(2, 40, 2)],
    note({as, [{t, ops}, {op, 'MONITOR_P'}, {n, 20}]}),
    note({as, [{t, ops}, {op, 'DEMONITOR_P'}, {n, 20}]}),
    %% The calls; the replies go to aliases, where both know them.
    Other = erpc:call(Peer, erlang, system_info, [otp_release]),
    note({as, [{t, ops}, {op, 'SPAWN_REQUEST'}, {n, 1}]}),
    HasAliases = min(Other, erlang:system_info(otp_release)) >= "24",
    note({as, [{t, calls}, {n, 20}, {aliases, HasAliases}]}),
    gen_server:cast({dist_server, Peer}, {nothing, "much"}).

processes(Peer) ->
    process_flag(trap_exit, true),
    %% Spawned, linked, ended by itself.
    P1 = spawn_link(Peer, ?MODULE, leave, [{bye, 1}]),
    receive {'EXIT', P1, {bye, 1}} -> ok end,
    P2 = spawn_link(Peer, ?MODULE, wait, []),
    exit(P2, {stop, "now"}),
    receive {'EXIT', P2, {stop, "now"}} -> ok end,
    P3 = spawn(Peer, ?MODULE, wait, []),
    link(P3),
    unlink(P3),
    R = monitor(process, P3),
    group_leader(self(), P3),
    exit(P3, {over, here}),
    receive {'DOWN', R, process, P3, {over, here}} -> ok end,
    note({as, [{t, ops}, {op, 'SPAWN_REQUEST'}, {n, 3}]}),
    note({as, [{t, ops}, {op, 'LINK'}, {n, 1}]}),
    note({as, [{t, ops}, {op, 'UNLINK'}, {n, 1}]}),
    note({as, [{t, ops}, {op, 'MONITOR_P'}, {n, 1}]}),
    note({as, [{t, ops}, {op, 'GROUP_LEADER'}, {n, 1}]}),
    note({as, [{t, ops}, {op, 'PAYLOAD_EXIT2'}, {n, 2}]}),
    process_flag(trap_exit, false).

%% What overtakes others: a signal of its own, of nodes that both know it.
priority(Peer) ->
    Other = erpc:call(Peer, erlang, system_info, [otp_release]),
    note({as, [{t, ops}, {op, 'SPAWN_REQUEST'}, {n, 1}]}),
    priority(Peer, min(Other, erlang:system_info(otp_release)) >= "29").

priority(_, false) -> ok;
priority(Peer, true) ->
    P = spawn(Peer, ?MODULE, listen, [self()]),
    A = receive {P, Alias} -> Alias end,
    got(P, {P, A}),
    erlang:send(A, {first, "to an alias"}, [priority]),
    receive {P, heard} -> got(P, {P, heard}) end,
    R = monitor(process, P),
    apply(erlang, exit, [A, {over, there}, [priority]]),
    receive {'DOWN', R, process, P, {over, there}} -> ok end,
    note({as, [{t, ops}, {op, 'SPAWN_REQUEST'}, {n, 1}]}),
    note({as, [{t, ops}, {op, 'MONITOR_P'}, {n, 1}]}),
    note({as, [{t, ops}, {op, 'ALTACT_SIG_SEND'}, {n, 2}]}),
    note({as, [{t, overtakes}, {msg, live:text({first, "to an alias"})},
               {reason, live:text({over, there})}]}).

listen(To) ->
    To ! {self(), apply(erlang, alias, [[priority]])},
    receive {first, _} -> To ! {self(), heard} end,
    receive never -> ok end.

leave(Why) -> receive after 50 -> exit(Why) end.
wait() -> receive never -> ok end.

%% The peer stands still: the connection gets busy, and those who send wait in
%% the middle of it.
slow(Echo, Peer) ->
    Os = erpc:call(Peer, os, getpid, []),
    note({as, [{t, ops}, {op, 'SPAWN_REQUEST'}, {n, 1}]}),
    [] = os:cmd("kill -STOP " ++ Os ++ "; (sleep 0.4; kill -CONT " ++ Os ++
                    ") >/dev/null 2>&1 &"),
    Big = binary:copy(<<"z">>, 100000),
    [begin
         Echo ! {nobody, N, Big},
         note({as, [{t, sent}, {op, 'REG_SEND'}, {peer, atom_to_binary(Peer)},
                    {to, <<"dist_echo">>},
                    {msg, live:text({nobody, N, {cut, binary:part(Big, 0, 64)}})}]})
     end || N <- lists:seq(1, 200)],
    echoed(Echo, Peer, done).

echo() ->
    receive
        {From, Term} when is_pid(From) -> From ! {self(), Term};
        _ -> ok
    end,
    echo().

init([]) -> {ok, 0}.
handle_call({twice, N}, _From, S) -> {reply, 2 * N, S}.
handle_cast(_, S) -> {noreply, S}.
