%% SPDX-License-Identifier: MIT
%% Many processes that talk to many others, and do what is their own: pairs
%% CLIENTS SERVERS. What they do is known from a stream that leaves nothing out;
%% the truth names the processes.
-module(pairs).
-behaviour(gen_server).

-import(live, [note/1, own/1]).
-export([setup/1, run/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([client/3]).

-define(EACH, 6). % servers that a client talks to

setup([Clients, Servers]) ->
    note({check, ['proc.spawn', 'msg.send', 'msg.receive']}),
    {list_to_integer(Clients),
     list_to_tuple([begin
                        {ok, S} = gen_server:start(?MODULE, [], []),
                        own(S),
                        S
                    end || _ <- lists:seq(1, list_to_integer(Servers))])}.

run({N, Servers}) ->
    Me = self(),
    [begin
         own(spawn(?MODULE, client, [Me, I, Servers])),
         I rem 20 =/= 0 orelse receive after 10 -> ok end
     end || I <- lists:seq(1, N)],
    [receive done -> ok end || _ <- lists:seq(1, N)].

client(Root, I, Servers) ->
    Mine = [element(1 + (I * 7 + K * 13) rem tuple_size(Servers), Servers)
            || K <- lists:seq(1, ?EACH)],
    [begin
         {ok, I} = gen_server:call(S, I),
         gen_server:cast(S, {cast, I}),
         S ! {info, I},
         {ok, I} = gen_server:call(S, I)
     end || S <- Mine],
    self() ! {to_myself, I},
    receive {to_myself, I} -> ok end,
    _ = erlang:send_after(0, self(), tick),
    receive tick -> ok end,
    Name = list_to_atom("pairs_" ++ integer_to_list(I rem 50)),
    try register(Name, self()), unregister(Name) catch error:badarg -> ok end,
    T = ets:new(t, []),
    ets:insert(T, {I}),
    ets:delete(T),
    erlang:garbage_collect(),
    {P, R} = spawn_monitor(fun() -> exit(I) end),
    own(P),
    receive {'DOWN', R, process, P, I} -> ok end,
    %% Its exit is known to one that it is linked to.
    process_flag(trap_exit, true),
    Q = spawn_link(fun() -> exit({I}) end),
    own(Q),
    receive {'EXIT', Q, {I}} -> ok end,
    Port = open_port({spawn, "cat"}, [binary]),
    Port ! {self(), {command, <<"x">>}},
    receive {Port, {data, <<"x">>}} -> ok end,
    Port ! {self(), close},
    receive {Port, closed} -> ok end,
    receive {'EXIT', Port, normal} -> ok end,
    Root ! done.

init([]) -> {ok, none}.

handle_call(Request, _, State) -> {reply, {ok, Request}, State}.
handle_cast(_, State) -> {noreply, State}.
handle_info(_, State) -> {noreply, State}.
