%% SPDX-License-Identifier: MIT
%% A process that waits for messages, so often and so long at least.
-module(waits).

-import(live, [note/1]).
-export([setup/1, run/1]).

-define(TIMES, 20).
-define(MS, 10).

setup(_) ->
    none.

run(_) ->
    Pid = spawn(fun sleep/0),
    register(waits_receive, Pid),
    [begin timer:sleep(?MS), Pid ! N end || N <- lists:seq(1, ?TIMES)],
    note({as, [{t, <<"wait">>}, {name, <<"waits_receive">>},
               {why, <<"[receive]">>}, {f, <<"waits:sleep/0">>}, {n, ?TIMES},
               {ms, ?TIMES * ?MS}]}),
    timer:sleep(50).

sleep() ->
    receive _ -> ok end,
    ok = sleep(),
    ok.
