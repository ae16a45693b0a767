%% SPDX-License-Identifier: MIT
%% Processes that top tells apart: one that works all the time, one whose mailbox
%% grows, one whose memory does, one that does nothing; with a dictionary, messages
%% and links that are known.
-module(grows).

-import(live, [note/1]).
-export([setup/1, run/1]).

setup(_) ->
    [].

run(_) ->
    Idle = spawn(fun() ->
                     put(a_key, {a_value, <<"in the dictionary">>}),
                     receive never -> ok end
                 end),
    register(grows_idle, Idle),
    Idle ! {first, message},
    Idle ! {second, [message]},
    Mailbox = spawn(fun() -> receive never -> ok end end),
    register(grows_mailbox, Mailbox),
    register(grows_busy, spawn(fun busy/0)),
    register(grows_memory, spawn(fun() -> memory([]) end)),
    register(grows_sender, spawn(fun() -> fill(Mailbox) end)),
    link(Idle),
    note({as, [{t, ready}]}).

busy() ->
    _ = lists:seq(1, 100),
    busy().

memory(L) ->
    receive after 20 -> memory([lists:seq(1, 2000) | L]) end.

fill(P) ->
    _ = [P ! {a, message} || _ <- lists:seq(1, 50)],
    receive after 20 -> fill(P) end.
