%% SPDX-License-Identifier: MIT
%% Processes of every sort, and what process_info/2 says of each: twice before
%% somebody looks from outside, and once after. Between the askings nothing runs
%% but the one that asks.
%%
%%   ps peer          a node that others are connected to
%%   ps local         all that one node has
%%   ps driver PEER   and links, monitors and messages across nodes
%%   ps busy          those that stay as they are, while others come and go
%%   ps stuck         every scheduler is, in native code
-module(ps).
-behaviour(supervisor).

-import(live, [note/1, text/1]).
-export([setup/1, run/1]).
-export([init/1, start_server/1, server_loop/1, idle/0, call_forever/1, woken/7,
         watch/1, linked/1, many/10, label/1, flood/3]).

-define(ITEMS, [registered_name, status, initial_call, current_function,
                message_queue_len, total_heap_size, heap_size, stack_size, memory,
                reductions, links, monitors, monitored_by, group_leader,
                dictionary, binary, catchlevel]).

setup(["peer"]) ->
    peer;
setup(["local" | _]) ->
    application:ensure_all_started(mnesia),
    {none, start()};
setup(["busy"]) ->
    busy;
setup(["stuck"]) ->
    erts_debug:set_internal_state(available_internal_state, true),
    stuck;
setup(["driver", Name]) ->
    Peer = list_to_atom(Name ++ "@" ++ host()),
    application:ensure_all_started(sasl),
    true = net_kernel:connect_node(Peer),
    {Peer, start() ++ across(Peer)}.

host() ->
    [_, Host] = string:split(atom_to_list(node()), "@"),
    Host.

run(peer) ->
    receive never -> ok end;
run(busy) ->
    Stay = [stays(N) || N <- lists:seq(1, 300)],
    [receive {P, ready} -> send(P) end || P <- Stay],
    settle(),
    Churn = [spawn(fun() -> churn(0) end) || _ <- lists:seq(1, 4)],
    three_times(fun() -> [{P, info(P)} || P <- Stay] end),
    [exit(P, kill) || P <- Churn];
run(stuck) ->
    Ps = [spawn_opt(fun() ->
                        register(list_to_atom("ps_stuck_" ++ integer_to_list(N)), self()),
                        receive go -> erts_debug:set_internal_state(sleep, 60000) end
                    end, [{scheduler, N}])
          || N <- lists:seq(1, erlang:system_info(schedulers_online))],
    settle(),
    [P ! go || P <- Ps];
run({_, Keep}) ->
    three_times(fun asked/0),
    Keep.

three_times(Ask) ->
    settle(),
    First = Ask(),
    settle(),
    Second = Ask(),
    settle(),
    Dir = filename:dirname(code:which(?MODULE)),
    ok = prim_file:write_file(filename:join(Dir, "asked"), <<>>),
    seen(filename:join(Dir, "seen")),
    Third = Ask(),
    [note({as, [{t, info}, {round, Round}, {pid, P} | Object]})
     || {Round, Info} <- [{1, First}, {2, Second}, {3, Third}],
        {P, Object} <- Info],
    note({as, [{t, self}, {pid, self()}]}).

%% One that others, which it is linked to and which monitor it, stay beside.
stays(N) ->
    Me = self(),
    spawn(fun() ->
              put(kept, lists:seq(1, N)),
              [spawn_link(?MODULE, watch, [self()]) || _ <- lists:seq(1, N rem 7)],
              receive after 50 -> ok end,
              Me ! {self(), ready},
              idle()
          end).

%% Spawns, messages, links, collections; each process lives for some steps.
churn(N) ->
    Kept = lists:seq(1, N rem 500),
    Ps = [spawn_link(fun() -> receive {go, F} -> F ! {self(), Kept} end end)
          || _ <- lists:seq(1, 20)],
    [P ! {go, self()} || P <- Ps],
    [receive {P, _} -> ok end || P <- Ps],
    receive after 1 -> churn(N + 1) end.

seen(File) ->
    case element(1, prim_file:read_file_info(File)) of
        ok -> ok;
        _ -> receive after 20 -> seen(File) end
    end.

settle() ->
    receive after 300 -> ok end.

%% ---- what is asked ----------------------------------------------------------

asked() ->
    [{P, info(P)} || P <- processes(), P =/= self()].

info(P) ->
    case process_info(P, ?ITEMS) of
        undefined -> [{gone, true}];
        Items -> shown(maps:from_list(Items))
    end.

shown(#{dictionary := Dict, binary := Bins} = I) ->
    Initial = maps:get(initial_call, I),
    [{name, case maps:get(registered_name, I) of [] -> <<>>; N -> N end},
     {state, maps:get(status, I)},
     {spawned, mfa(Initial)},
     {initial, mfa(case proplists:get_value('$initial_call', Dict) of
                       {_, _, A} = C when is_integer(A) -> C;
                       {M, F, L} when is_list(L) -> {M, F, length(L)};
                       _ -> Initial
                   end)},
     {function, mfa(maps:get(current_function, I))},
     {mailbox, maps:get(message_queue_len, I)},
     {total_heap_words, maps:get(total_heap_size, I)},
     {heap_words, maps:get(heap_size, I)},
     {stack_words, maps:get(stack_size, I)},
     {memory, maps:get(memory, I)},
     {reductions, maps:get(reductions, I)},
     {links, sorted(maps:get(links, I))},
     {monitors, sorted([monitored(M) || M <- maps:get(monitors, I)])},
     {monitored_by, sorted([case is_reference(M) of true -> resource; _ -> M end
                            || M <- maps:get(monitored_by, I)])},
     {group_leader, text(maps:get(group_leader, I))},
     {dictionary, length(Dict)},
     {ancestors, listed('$ancestors', Dict)},
     {callers, listed('$callers', Dict)},
     {label, case proplists:get_value('$process_label', Dict) of
                 undefined -> <<>>;
                 L -> text(L)
             end},
     {binaries, length(Bins)},
     {binary_bytes, lists:sum([B || {_, B} <- lists:usort([{A, B} || {A, B, _} <- Bins])])}].

sorted(L) ->
    lists:sort([text(E) || E <- L]).

monitored({time_offset, clock_service}) -> clock_service;
monitored({_, What}) -> What.

listed(Key, Dict) ->
    case proplists:get_value(Key, Dict) of
        L when is_list(L) -> [text(E) || E <- L];
        _ -> []
    end.

mfa({M, F, A}) ->
    iolist_to_binary([atom_to_binary(M, utf8), $:, atom_to_binary(F, utf8), $/,
                      integer_to_binary(A)]);
mfa(undefined) -> <<>>.

%% ---- the processes ----------------------------------------------------------

start() ->
    {ok, Sup} = supervisor:start_link({local, ps_top}, ?MODULE, top),
    unlink(Sup),
    [Sup | [spawned(W) || W <- sorts(), _ <- lists:seq(1, 3)]].

init(top) ->
    Child = fun(Id, M, F, A, Type) ->
                #{id => Id, start => {M, F, A}, type => Type}
            end,
    {ok, {#{strategy => one_for_one},
          [Child(below, supervisor, start_link, [{local, ps_below}, ?MODULE, below],
                 supervisor) |
           [Child(N, ?MODULE, start_server, [N], worker) || N <- lists:seq(1, 5)]]}};
init(below) ->
    {ok, {#{strategy => one_for_one},
          [#{id => N, start => {?MODULE, start_server, [N]}} || N <- lists:seq(6, 40)]}}.

start_server(N) ->
    proc_lib:start_link(?MODULE, server_loop, [N]).

server_loop(N) ->
    N rem 2 =:= 0 andalso
        register(list_to_atom("ps_server_" ++ integer_to_list(N)), self()),
    put(kept, lists:seq(1, N)),
    proc_lib:init_ack({ok, self()}),
    idle().

idle() ->
    receive stop -> ok end.

spawned(What) ->
    Me = self(),
    {P, R} = spawn_opt(fun() -> make(What, Me) end, [monitor | options(What)]),
    receive
        {P, ready} -> erlang:demonitor(R, [flush]);
        {'DOWN', R, process, P, Why} -> exit({What, Why})
    end,
    after_start(What, P),
    P.

sorts() ->
    [plain, dictionary, links, monitors, monitored, named_monitors, ports, clock,
     binaries, hibernated, hibernated_with, suspended, suspended_off_heap, queued,
     queued_off_heap, marked, waits_in_call, deep, wide, trapping, sensitive,
     callers, leader, saved_calls, old_heap, flooded, nodes]
        ++ [aliased || release() > 23]
        ++ [labelled || release() >= 27].

release() ->
    list_to_integer(erlang:system_info(otp_release)).

options(suspended_off_heap) -> [{message_queue_data, off_heap}];
options(queued_off_heap) -> [{message_queue_data, off_heap}];
options(flooded) -> [{message_queue_data, off_heap}];
options(_) -> [].

ready(Me) ->
    Me ! {self(), ready}.

make(dictionary, Me) ->
    [put({key, N}, {N, integer_to_list(N)}) || N <- lists:seq(1, 700)],
    [put(list_to_atom("key_" ++ integer_to_list(N)), N) || N <- lists:seq(1, 300)],
    [erase({key, N}) || N <- lists:seq(1, 500)],
    ready(Me), idle();
make(links, Me) ->
    [spawn_link(?MODULE, idle, []) || _ <- lists:seq(1, 150)],
    Gone = [spawn_link(?MODULE, idle, []) || _ <- lists:seq(1, 50)],
    [unlink(P) || P <- Gone],
    ready(Me), idle();
make(monitors, Me) ->
    P = spawn(?MODULE, idle, []),
    [monitor(process, P) || _ <- lists:seq(1, 20)],
    [monitor(process, spawn(?MODULE, idle, [])) || _ <- lists:seq(1, 100)],
    Gone = [monitor(process, P) || _ <- lists:seq(1, 20)],
    [demonitor(R) || R <- Gone],
    ready(Me), idle();
make(monitored, Me) ->
    Self = self(),
    [spawn(?MODULE, watch, [Self]) || _ <- lists:seq(1, 60)],
    receive after 50 -> ok end,
    ready(Me), idle();
make(named_monitors, Me) ->
    [monitor(process, N) || N <- [init, kernel_sup, ps_top, {ps_top, node()}]],
    ready(Me), idle();
make(ports, Me) ->
    Cat = open_port({spawn, "cat"}, []),
    Other = open_port({spawn, "cat"}, []),
    monitor(port, Cat),
    unlink(Other),
    ready(Me), idle();
make(clock, Me) ->
    monitor(time_offset, clock_service),
    ready(Me), idle();
make(binaries, Me) ->
    Bins = [binary:copy(<<"0123456789">>, 1000 * N) || N <- lists:seq(1, 10)],
    Subs = [binary:part(B, 100, 500) || B <- Bins],
    %% 25's process_info/2 does not tell of those that are being appended to.
    Grown = [lists:foldl(fun(N, A) -> <<A/binary, N:64>> end, <<>>, lists:seq(1, 300))
             || release() =/= 25],
    ready(Me),
    idle(),
    {Bins, Subs, Grown};
make(hibernated, Me) ->
    ready(Me),
    erlang:hibernate(?MODULE, idle, []);
make(hibernated_with, Me) ->
    ready(Me),
    erlang:hibernate(?MODULE, woken, [a, b, c, [d], {e}, f, self()]);
make(marked, Me) ->
    spawn(?MODULE, call_forever, [self()]),
    ready(Me),
    call_forever(whereis(ps_top));
make(waits_in_call, Me) ->
    ready(Me),
    call_forever(spawn(?MODULE, idle, []));
make(deep, Me) ->
    ready(Me),
    deep(1000);
make(wide, Me) ->
    ready(Me),
    many(1, 2, 3, 4, 5, 6, 7, 8, 9, [ten]);
make(trapping, Me) ->
    process_flag(trap_exit, true),
    exit(spawn_link(?MODULE, idle, []), bad),
    receive after 20 -> ok end,
    ready(Me), idle();
make(sensitive, Me) ->
    put('$ancestors', [secret]),
    process_flag(sensitive, true),
    ready(Me), idle();
make(callers, Me) ->
    put('$callers', [Me, self()]),
    put('$ancestors', [some_name, Me, 'Odd name']),
    ready(Me), idle();
make(leader, Me) ->
    group_leader(Me, self()),
    ready(Me), idle();
make(saved_calls, Me) ->
    process_flag(save_calls, 100),
    ready(Me), idle();
make(old_heap, Me) ->
    Kept = [{N, [N]} || N <- lists:seq(1, 2000)],
    erlang:garbage_collect(),
    erlang:garbage_collect(self(), [{type, minor}]),
    More = [{N, Kept} || N <- lists:seq(1, 3000)],
    ready(Me),
    idle(),
    {Kept, More};
make(nodes, Me) ->
    net_kernel:monitor_nodes(true),
    ready(Me), idle();
make(aliased, Me) ->
    [erlang:monitor(process, Me, [{alias, explicit_unalias}]) || _ <- lists:seq(1, 3)],
    _ = erlang:apply(erlang, alias, []), % not in 23
    ready(Me), idle();
make(labelled, Me) ->
    label({worker, self(), "a text", <<"binary">>}),
    ready(Me), idle();
make(_, Me) ->
    ready(Me),
    idle().

label(L) ->
    put('$process_label', L).

%% What is done to it once it waits.
after_start(suspended, P) -> suspend(P);
after_start(suspended_off_heap, P) -> suspend(P);
after_start(queued, P) -> send(P);
after_start(queued_off_heap, P) -> send(P);
after_start(marked, P) -> send(P);
after_start(waits_in_call, P) -> send(P);
after_start(flooded, P) ->
    Me = self(),
    [spawn(?MODULE, flood, [P, Me, 3000]) || _ <- lists:seq(1, 6)],
    [receive flooded -> ok end || _ <- lists:seq(1, 6)];
after_start(_, _) -> ok.

flood(_, Me, 0) -> Me ! flooded;
flood(P, Me, N) -> P ! {N, self()}, flood(P, Me, N - 1).

%% What is sent while it is suspended stays in its outer queue.
suspend(P) ->
    Me = self(),
    spawn(fun() ->
              erlang:suspend_process(P),
              send(P),
              Me ! suspended,
              idle()
          end),
    receive suspended -> ok end.

send(P) ->
    [P ! {N, lists:seq(1, N rem 50), binary:copy(<<N>>, N)} || N <- lists:seq(1, 300)],
    P ! small,
    P ! 1.

woken(_, _, _, _, _, _, _) -> idle().

call_forever(P) ->
    catch gen_server:call(P, unknown_request, infinity).

deep(0) -> idle(), [];
deep(N) -> [N | deep(N - 1)].

many(A, B, C, D, E, F, G, H, I, J) ->
    idle(),
    {A, B, C, D, E, F, G, H, I, J}.

watch(P) ->
    monitor(process, P),
    idle().

linked(P) ->
    link(P),
    idle().

%% ---- across nodes -----------------------------------------------------------

across(Peer) ->
    Me = self(),
    Far = spawn(Peer, ?MODULE, idle, []),
    One = spawn(fun() ->
        [link(spawn(Peer, ?MODULE, idle, [])) || _ <- lists:seq(1, 5)],
        [monitor(process, spawn(Peer, ?MODULE, idle, [])) || _ <- lists:seq(1, 5)],
        monitor(process, Far),
        monitor(process, {init, Peer}),
        monitor(process, {kernel_sup, Peer}),
        monitor_node(Peer, true),
        spawn(Peer, ?MODULE, watch, [self()]),
        spawn(Peer, ?MODULE, linked, [self()]),
        Me ! linked,
        idle()
    end),
    Two = spawn(fun() -> put('$ancestors', [Far]), group_leader(Far, self()), idle() end),
    %% Nobody has looked at these, and so they are as they came.
    Three = spawn(?MODULE, idle, []),
    suspend(Three),
    spawn(Peer, ?MODULE, flood, [Three, Me, 50]),
    receive linked -> ok end,
    receive flooded -> ok end,
    receive after 200 -> ok end,
    [One, Two, Three].
