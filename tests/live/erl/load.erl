%% SPDX-License-Identifier: MIT
%% A steady load of all kinds of messages, counted: load RATE SECONDS [WHAT].
%%
%% RATE is messages a second, all kinds together. Of a hundred messages 10 are
%% calls and 10 their replies, 10 casts, 10 self-sends, 10 equal among each
%% other, 2 come from timers, 48 are numbered. Beside them, fifty processes a second
%% are spawned and end. WHAT is `mixed` or `plain` (numbered messages alone).
%%
%% Truths are ranges (this one sent that one these numbers), so that noting
%% them costs nothing while it runs; calls are kept by their callers.
-module(load).
-behaviour(gen_server).

-import(live, [note/1, own/1]).
-export([setup/1, run/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([sender/5, sink/0, brief/1]).

-define(SENDERS, 4).
-define(TICK_MS, 2).

setup([Rate, Seconds]) ->
    setup([Rate, Seconds, "mixed"]);
setup([Rate, Seconds, What]) ->
    note({check, ['proc.spawn', 'proc.exit', 'msg.send', 'msg.receive']}),
    Pairs = [begin
                 {ok, Server} = gen_server:start(?MODULE, [], []),
                 Sink = spawn(?MODULE, sink, []),
                 own(Server),
                 own(Sink),
                 {Sink, Server}
             end || _ <- lists:seq(1, ?SENDERS)],
    {list_to_integer(Rate), list_to_integer(Seconds), list_to_atom(What), Pairs}.

run({Rate, Seconds, What, Pairs}) ->
    Goal = Rate * Seconds div ?SENDERS,
    T0 = erlang:monotonic_time(nanosecond),
    Me = self(),
    Senders = [begin
                   P = spawn(?MODULE, sender, [Me, What, Goal, Rate / ?SENDERS, Pair]),
                   own(P),
                   note({spawn, self(), P, {?MODULE, sender, 5}}),
                   P
               end || Pair <- Pairs],
    [receive {P, done} = M -> note({recv, self(), P, M}) end || P <- Senders],
    Ns = erlang:monotonic_time(nanosecond) - T0,
    note({rate, 'messages', Goal * ?SENDERS, Ns}),
    note({exit, self(), normal}).

sender(Root, What, Goal, PerS, {Sink, Server}) ->
    put(calls, []),
    T0 = erlang:monotonic_time(millisecond),
    State = loop(What, Goal, PerS / 1000, T0, Sink, Server,
                 #{plain => 0, same => 0, self => 0, cast => 0, timer => 0}),
    #{plain := Plain, same := Same, self := Self, cast := Cast, timer := Timer} = State,
    Me = self(),
    both(Me, Sink, {plain, '$n', "some text", [1, 2.5, <<"bytes">>]}, Plain),
    both(Me, Sink, {same, as, the, others}, Same),
    both(Me, Me, {to_myself, '$n'}, Self),
    both(Me, Server, {'$gen_cast', {cast, '$n'}}, Cast),
    both(timer, Server, {tick, Me}, Timer),
    [begin
         note({send, Me, Server, {'$gen_call', From, Request}}),
         note({recv, Server, Me, {'$gen_call', From, Request}}),
         To = case Tag of
                  [alias | Ref] -> {alias, Ref, Me};
                  _ -> Me % before OTP 24
              end,
         note({send, Server, To, {Tag, {ok, Request}}}),
         note({recv, Me, Server, {Tag, {ok, Request}}})
     end || {{_, Tag} = From, Request} <- lists:reverse(get(calls))],
    Root ! {Me, done},
    note({send, Me, Root, {Me, done}}),
    note({exit, Me, normal}).

both(_, _, _, 0) ->
    ok;
both(From, To, Template, N) ->
    note({sends, From, To, Template, 1, N}),
    note({recvs, To, From, Template, 1, N}).

%% Send what is due by now, sleep a little, until Goal is reached.
loop(What, Goal, PerMs, T0, Sink, Server, Counts) ->
    Due = min(Goal, round((erlang:monotonic_time(millisecond) - T0) * PerMs)),
    Done = get_total(),
    Counts1 = burst(What, Done, Due, Sink, Server, Counts),
    if
        Due >= Goal -> Counts1;
        true ->
            receive after ?TICK_MS -> ok end,
            loop(What, Goal, PerMs, T0, Sink, Server, Counts1)
    end.

get_total() ->
    case get(total) of undefined -> 0; N -> N end.

burst(_, Done, Due, _, _, Counts) when Done >= Due ->
    put(total, Done),
    Counts;
burst(plain, Done, Due, Sink, Server, Counts) ->
    burst(plain, Done + 1, Due, Sink, Server, plain(Sink, Counts));
burst(mixed, Done, Due, Sink, Server, Counts) ->
    case Done rem 50 of
        N when N < 5 -> % a call is two messages
            Request = {add, Done, [N]},
            {ok, Request, From} = call(Server, Request),
            put(calls, [{From, Request} | get(calls)]),
            burst(mixed, Done + 2, Due, Sink, Server, Counts);
        N when N < 15 ->
            C = count(cast, Counts),
            gen_server:cast(Server, {cast, maps:get(cast, C)}),
            burst(mixed, Done + 1, Due, Sink, Server, C);
        N when N < 20 ->
            Sink ! {same, as, the, others},
            burst(mixed, Done + 1, Due, Sink, Server, count(same, Counts));
        N when N < 25 ->
            C = #{self := I} = count(self, Counts),
            self() ! {to_myself, I},
            receive {to_myself, I} -> ok end,
            burst(mixed, Done + 1, Due, Sink, Server, C);
        25 ->
            _ = erlang:send_after(0, Server, {tick, self()}),
            Done rem 500 =/= 25 orelse brief(),
            burst(mixed, Done + 1, Due, Sink, Server, count(timer, Counts));
        _ ->
            burst(mixed, Done + 1, Due, Sink, Server, plain(Sink, Counts))
    end.

plain(Sink, Counts) ->
    C = #{plain := I} = count(plain, Counts),
    Sink ! {plain, I, "some text", [1, 2.5, <<"bytes">>]},
    C.

count(What, Counts) ->
    maps:update_with(What, fun(N) -> N + 1 end, Counts).

%% A process that does nothing much.
brief() ->
    N = erlang:unique_integer([positive]),
    P = spawn(?MODULE, brief, [{bye, N}]),
    own(P),
    note({spawn, self(), P, {?MODULE, brief, 1}, [{bye, N}], false, false}),
    note({exit, P, {bye, N}}).

brief(Reason) ->
    exit(Reason).

%% gen_server:call/2, whose reply carries the From that the server saw; the
%% truth replies {ok, Request} alone.
call(Server, Request) ->
    {ok, Request} = gen_server:call(Server, Request),
    {ok, Request, from(Server)}.

%% The server leaves the last From of each caller where the caller finds it.
from(Server) ->
    [{_, From}] = ets:lookup(truth, {from, Server, self()}),
    From.

sink() ->
    receive _ -> sink() end.

init([]) -> {ok, none}.

handle_call(Request, {Caller, _} = From, State) ->
    ets:insert(truth, {{from, self(), Caller}, From}),
    {reply, {ok, Request}, State}.

handle_cast(_, State) -> {noreply, State}.
handle_info(_, State) -> {noreply, State}.
