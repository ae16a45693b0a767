%% SPDX-License-Identifier: MIT
%% A node that gets a name, gives it up, and gets another, and says under which
%% name it sent what.
-module(node_name).

-import(live, [note/1]).
-export([setup/1, run/1]).

setup([Name]) -> Name.

run(Name) ->
    send(1),
    {ok, _} = net_kernel:start([list_to_atom(Name ++ "_a"), shortnames]),
    send(2),
    ok = net_kernel:stop(),
    send(3),
    {ok, _} = net_kernel:start([list_to_atom(Name ++ "_b"), shortnames]),
    send(4).

send(N) ->
    self() ! {under, N},
    receive {under, N} -> ok end,
    note({as, [{t, under}, {msg, live:text({under, N})},
               {node, atom_to_binary(node())}]}).
