%% SPDX-License-Identifier: MIT
%% What a node has beside processes, and what it says of it itself: before
%% somebody looks from outside, and after. Between the askings nothing runs but
%% the one that asks.
%%
%%   inventory idle       ports and ETS tables of every sort
%%   inventory busy       and processes that never wait, of three priorities
-module(inventory).

-import(live, [note/1, text/1]).
-export([setup/1, run/1]).

setup([How | _]) ->
    {How, tables() ++ ports()}.

run({How, Keep}) ->
    spinners(How),
    settle(),
    First = asked(),
    settle(),
    Dir = filename:dirname(code:which(?MODULE)),
    ok = prim_file:write_file(filename:join(Dir, "asked"), <<>>),
    seen(filename:join(Dir, "seen")),
    Second = asked(),
    note({as, [{t, node}, {schedulers, erlang:system_info(schedulers)},
               {dirty_cpu, erlang:system_info(dirty_cpu_schedulers)},
               {dirty_io, erlang:system_info(dirty_io_schedulers)},
               {process_limit, erlang:system_info(process_limit)}]}),
    [note({as, [{t, T}, {round, Round} | Object]})
     || {Round, All} <- [{1, First}, {2, Second}], {T, Object} <- All],
    Keep.

seen(File) ->
    case element(1, prim_file:read_file_info(File)) of
        ok -> ok;
        _ -> receive after 20 -> seen(File) end
    end.

settle() ->
    erlang:garbage_collect(),
    receive after 300 -> ok end.

%% One of high priority would take a scheduler for itself: others wait for the
%% rest.
spinners("idle") ->
    ok;
spinners("busy") ->
    [begin
         P = spawn_opt(fun spin/0, [{priority, Priority}]),
         note({as, [{t, spins}, {pid, P}, {priority, Priority}]})
     end || {Priority, N} <- [{normal, 6}, {low, 4}], _ <- lists:seq(1, N)].

spin() ->
    _ = lists:seq(1, 1000),
    spin().

%% ---- what is asked ----------------------------------------------------------

asked() ->
    Ports = [{port, port(P)} || P <- erlang:ports(), erlang:port_info(P, id) =/= undefined],
    Tables = [{table, table(T)} || T <- ets:all(), T =/= truth],
    Queues = erlang:statistics(run_queue_lengths_all),
    Memory = erlang:memory(),
    Allocators = [{allocator, allocator(A)}
                  || A <- erlang:system_info(alloc_util_allocators), A =/= mseg_alloc],
    Ports ++ Tables ++ Allocators ++
        [{memory, Memory}, {queues, [{lengths, length(Queues)}]}].

port(P) ->
    Get = fun(Item) ->
              case erlang:port_info(P, Item) of
                  {Item, V} -> V;
                  _ -> undefined
              end
          end,
    [{port, P},
     {name, case Get(registered_name) of undefined -> <<>>; N -> N end},
     {command, unicode:characters_to_binary(Get(name))},
     {connected, Get(connected)},
     {links, lists:sort([text(L) || L <- Get(links)])},
     {input_bytes, Get(input)}, {output_bytes, Get(output)},
     {queue_bytes, Get(queue_size)},
     {os_pid, case Get(os_pid) of undefined -> 0; OsPid -> OsPid end},
     {local, address(catch inet:sockname(P))},
     {peer, address(catch inet:peername(P))}].

address({ok, {IP, Port}}) ->
    Host = list_to_binary(inet:ntoa(IP)),
    Number = integer_to_binary(Port),
    case tuple_size(IP) of
        4 -> <<Host/binary, ":", Number/binary>>;
        8 -> <<"[", Host/binary, "]:", Number/binary>>
    end;
address(_) ->
    <<>>.

table(T) ->
    Get = fun(Item) -> ets:info(T, Item) end,
    [{table, text(T)}, {ref, text(Get(id))}, {table_name, Get(name)},
     {owner, Get(owner)}, {type, Get(type)}, {protection, Get(protection)},
     {keypos, Get(keypos)}, {objects, Get(size)}, {memory_words, Get(memory)},
     {named, Get(named_table)}, {compressed, Get(compressed)},
     {write_concurrency, Get(write_concurrency)},
     {read_concurrency, Get(read_concurrency)}].

%% Over all instances, as recon_alloc does it.
allocator(A) ->
    Instances = erlang:system_info({allocator, A}),
    Sets = [Set || {instance, _, I} <- Instances, {K, Set} <- I,
                   lists:member(K, [mbcs, sbcs, mbcs_pool])],
    Sum = fun(Key) -> lists:sum([number(Key, S) || S <- Sets]) end,
    Blocks = fun(Key) ->
                 lists:sum([number(Key, B) || S <- Sets,
                                              {blocks, Bs} <- S, is_list(Bs),
                                              {_, B} <- Bs])
             end,
    [{name, A}, {instances, length(Instances)}, {carriers, Sum(carriers)},
     {carrier_bytes, Sum(carriers_size)}, {blocks, Blocks(count)},
     {block_bytes, Blocks(size)}].

number(Key, Set) ->
    case lists:keyfind(Key, 1, Set) of
        false -> 0;
        T -> element(2, T)
    end.

%% ---- what there is -------------------------------------------------------------

tables() ->
    Set = ets:new(a_set, [named_table, public]),
    true = ets:insert(Set, [{N, N} || N <- lists:seq(1, 1000)]),
    Bag = ets:new('a bag', [bag, private, {keypos, 2}]),
    true = ets:insert(Bag, [{N, N rem 7} || N <- lists:seq(1, 500)]),
    Compressed = ets:new(compressed, [ordered_set, compressed]),
    true = ets:insert(Compressed, [{N, lists:seq(1, 50)} || N <- lists:seq(1, 300)]),
    Duplicates = ets:new(duplicates, [duplicate_bag, {read_concurrency, true}]),
    true = ets:insert(Duplicates, [{same, N rem 2} || N <- lists:seq(1, 30)]),
    Big = ets:new(binaries, [set]),
    true = ets:insert(Big, [{N, binary:copy(<<N>>, 1000)} || N <- lists:seq(1, 100)]),
    Spread = [spread(Type, More) || Type <- [set, ordered_set], More <- concurrencies()],
    Empty = [ets:new(empty, []) || _ <- lists:seq(1, 200)],
    true = ets:delete(hd(Empty)),
    Owner = spawn(fun() -> receive never -> ok end end),
    Given = ets:new(given, [public]),
    true = ets:give_away(Given, Owner, []),
    Spread ++ Empty.

concurrencies() ->
    [[{write_concurrency, true}],
     [{write_concurrency, true}, {decentralized_counters, true}]] ++
        [[{write_concurrency, auto}] || erlang:system_info(otp_release) >= "25"].

%% Written to on all schedulers, and deleted from: its counters are in many
%% places, some of them below 0.
spread(Type, More) ->
    T = ets:new(spread, [Type, public | More]),
    Writers = [spawn_monitor(fun() ->
                                 [ets:insert(T, {{W, N}, N}) || N <- lists:seq(1, 300)],
                                 [ets:delete(T, {W, N}) || N <- lists:seq(1, 100)]
                             end) || W <- lists:seq(1, 16)],
    [receive {'DOWN', R, process, P, normal} -> ok end || {P, R} <- Writers],
    T.

ports() ->
    Loopback = [{ip, {127, 0, 0, 1}}, {active, false}],
    {ok, Listen} = gen_tcp:listen(0, Loopback),
    {ok, Number} = inet:port(Listen),
    {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Number,
                                   [{active, false}, {high_watermark, 64 bsl 20}]),
    {ok, Server} = gen_tcp:accept(Listen),
    ok = gen_tcp:send(Server, <<"twelve bytes">>),
    {ok, <<_:12/binary>>} = receive_all(Client, 12),
    %% More than the kernel takes in, while nobody reads it.
    ok = gen_tcp:send(Client, binary:copy(<<0>>, 16 bsl 20)),
    {ok, Udp} = gen_udp:open(0, [{ip, {127, 0, 0, 1}}]),
    Cat = open_port({spawn, "cat"}, [binary]),
    true = register('a port', Cat),
    true = port_command(Cat, <<"hello">>),
    receive {Cat, {data, <<"hello">>}} -> ok end,
    Linked = spawn(fun() -> true = link(Cat), receive never -> ok end end),
    Keeper = spawn(fun() -> receive never -> ok end end),
    true = erlang:port_connect(Cat, Keeper),
    true = unlink(Cat),
    V6 = case gen_tcp:listen(0, [inet6, {ip, {0, 0, 0, 0, 0, 0, 0, 1}}]) of
             {ok, S} -> [S];
             _ -> []
         end,
    [Listen, Client, Server, Udp, Linked | V6].

receive_all(Socket, N) ->
    case gen_tcp:recv(Socket, N, 5000) of
        {ok, L} when is_list(L) -> {ok, list_to_binary(L)};
        Other -> Other
    end.
