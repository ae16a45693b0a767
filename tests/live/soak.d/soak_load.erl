%% SPDX-License-Identifier: MIT
%% A load for a RabbitMQ broker, from a node of its own:
%%
%%   soak_load:main(Port, Seconds, PerSecond, File)
%%
%% Publishes that many persistent messages a second to four queues, with
%% confirms, and consumes them all; a channel, with a queue of its own, comes
%% and goes every 100 ms. Writes a JSON object to File: how many, and the
%% latencies from publish to confirm.
-module(soak_load).

-include_lib("amqp_client/include/amqp_client.hrl").
-export([main/4]).

-define(QUEUES, 4).

main(Port, Seconds, PerSecond, File) ->
    {ok, Conn} = amqp_connection:start(#amqp_params_network{host = "127.0.0.1", port = Port}),
    Until = now_us() + Seconds * 1000000,
    Me = self(),
    Workers =
        [begin
             Queue = iolist_to_binary(["soak.", integer_to_binary(N)]),
             _ = spawn_link(fun() -> consume(Conn, Queue, Me) end),
             receive {consuming, Queue} -> ok end,
             spawn_link(fun() -> publish(Me, Conn, Queue, PerSecond / ?QUEUES, Until) end)
         end || N <- lists:seq(1, ?QUEUES)] ++
        [spawn_link(fun() -> come_and_go(Me, Conn, Until, 0) end)],
    Latencies = lists:sort(lists:append([receive {W, Result} -> Result end || W <- Workers])),
    N = length(Latencies),
    At = fun(Share) -> lists:nth(max(1, round(N * Share)), Latencies) end,
    ok = file:write_file(File, io_lib:format(
        "{\"confirmed\":~b,\"p50_us\":~b,\"p99_us\":~b,\"max_us\":~b}~n",
        [N, At(0.5), At(0.99), lists:last(Latencies)])),
    amqp_connection:close(Conn).

now_us() ->
    erlang:monotonic_time(microsecond).

%% ---- publishing ---------------------------------------------------------

publish(Root, Conn, Queue, PerS, Until) ->
    {ok, Ch} = amqp_connection:open_channel(Conn),
    #'confirm.select_ok'{} = amqp_channel:call(Ch, #'confirm.select'{}),
    ok = amqp_channel:register_confirm_handler(Ch, self()),
    Latencies = publish(Ch, Queue, PerS / 1000000, now_us(), Until, 0, #{}, []),
    Root ! {self(), Latencies}.

publish(Ch, Queue, PerUs, T0, Until, Done, Open, Ls) ->
    Now = now_us(),
    Due = round((min(Now, Until) - T0) * PerUs),
    {Done1, Open1} = send(Ch, Queue, Done, Due, Open),
    if
        Now >= Until, map_size(Open1) =:= 0 ->
            Ls;
        Now >= Until + 30000000 ->
            error({unconfirmed, map_size(Open1)});
        true ->
            {Open2, Ls1} = confirms(Open1, Ls, 5),
            publish(Ch, Queue, PerUs, T0, Until, Done1, Open2, Ls1)
    end.

send(_, _, Done, Due, Open) when Done >= Due ->
    {Done, Open};
send(Ch, Queue, Done, Due, Open) ->
    N = Done + 1,
    Payload = iolist_to_binary(["soak ", Queue, " ", integer_to_binary(N)]),
    Msg = #amqp_msg{props = #'P_basic'{delivery_mode = 2}, payload = Payload},
    ok = amqp_channel:cast(Ch, #'basic.publish'{routing_key = Queue}, Msg),
    send(Ch, Queue, N, Due, Open#{N => now_us()}).

confirms(Open, Ls, Ms) ->
    receive
        #'basic.ack'{delivery_tag = Tag, multiple = Multiple} ->
            Now = now_us(),
            Tags = case Multiple of
                       false -> [Tag];
                       true -> [T || T <- maps:keys(Open), T =< Tag]
                   end,
            confirms(maps:without(Tags, Open), [Now - maps:get(T, Open) || T <- Tags] ++ Ls, 0)
    after Ms ->
        {Open, Ls}
    end.

%% ---- consuming ----------------------------------------------------------

consume(Conn, Queue, Root) ->
    {ok, Ch} = amqp_connection:open_channel(Conn),
    #'queue.declare_ok'{} =
        amqp_channel:call(Ch, #'queue.declare'{queue = Queue, durable = true}),
    #'basic.consume_ok'{} = amqp_channel:subscribe(Ch, #'basic.consume'{queue = Queue}, self()),
    receive #'basic.consume_ok'{} -> ok end,
    Root ! {consuming, Queue},
    acks(Ch).

acks(Ch) ->
    receive
        {#'basic.deliver'{delivery_tag = Tag}, _} ->
            amqp_channel:cast(Ch, #'basic.ack'{delivery_tag = Tag}),
            acks(Ch)
    end.

%% ---- coming and going ---------------------------------------------------

come_and_go(Root, Conn, Until, N) ->
    case now_us() < Until of
        true ->
            {ok, Ch} = amqp_connection:open_channel(Conn),
            Q = iolist_to_binary(["brief.", integer_to_binary(N rem 10)]),
            #'queue.declare_ok'{} = amqp_channel:call(Ch, #'queue.declare'{queue = Q}),
            ok = amqp_channel:call(Ch, #'basic.publish'{routing_key = Q}, #amqp_msg{payload = Q}),
            #'queue.delete_ok'{} = amqp_channel:call(Ch, #'queue.delete'{queue = Q}),
            amqp_channel:close(Ch),
            receive after 100 -> ok end,
            come_and_go(Root, Conn, Until, N + 1);
        false ->
            Root ! {self(), []}
    end.
