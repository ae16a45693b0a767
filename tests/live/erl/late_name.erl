%% SPDX-License-Identifier: MIT
%% A node that got its name after it started, and gets another while it runs and
%% sends, until DIR/enough is there.
-module(late_name).

-export([setup/1, run/1]).

setup([Name]) ->
    {ok, _} = net_kernel:start([list_to_atom(Name ++ "_a"), shortnames]),
    Name.

run(Name) ->
    ok = net_kernel:stop(),
    {ok, _} = net_kernel:start([list_to_atom(Name ++ "_b"), shortnames]),
    live:note({sends, self(), self(), {n, '$n'}, 1, send(1)}).

send(N) ->
    self() ! {n, N},
    live:recv(self(), {n, N}),
    receive after 10 -> ok end,
    Enough = filename:join(filename:dirname(code:which(?MODULE)), "enough"),
    case element(1, prim_file:read_file_info(Enough)) of
        ok -> N;
        error -> send(N + 1)
    end.
