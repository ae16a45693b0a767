%% SPDX-License-Identifier: MIT
%% Hot code loading: versions of a module, while a process runs the one before.
%%
%%   code_load [PAUSE_MS]    how long a version stays at least
-module(code_load).

-import(live, [note/1]).
-export([setup/1, run/1]).

-define(MODULE_UNDER_TEST, live_hot).

setup(Args) ->
    note({check, ['code.load', 'code.unload']}),
    {list_to_integer(hd(Args ++ ["0"])), [{V, compiled(V)} || V <- [1, 2, 3]]}.

%% Versions differ in what they say and in how many functions they have.
compiled(V) ->
    M = ?MODULE_UNDER_TEST,
    Functions = [{function, 1, list_to_atom("f" ++ integer_to_list(N)), 0,
                  [{clause, 1, [], [], [{integer, 1, N + V}]}]} || N <- lists:seq(1, 2 * V)],
    Loop = {function, 1, loop, 0,
            [{clause, 1, [], [], [{'receive', 1, [{clause, 1, [{atom, 1, stop}], [], [{atom, 1, ok}]}]}]}]},
    {ok, M, Bin} = compile:forms([{attribute, 1, module, M}, {attribute, 1, compile, export_all}, Loop
                                  | Functions], [no_auto_import]),
    {Bin, length(Functions) + 1 + 2}. % module_info/0,1

run({Pause, Versions}) ->
    M = ?MODULE_UNDER_TEST,
    [begin
         {module, M} = code:load_binary(M, "none", Bin),
         note({code_load, M, N}),
         P = spawn(M, loop, []),
         {V, N} = {V, length(M:module_info(functions))},
         P ! stop,
         live:wait_for(P),
         receive after Pause -> ok end,
         code:purge(M)
     end || {V, {Bin, N}} <- Versions],
    true = code:delete(M),
    code:purge(M),
    note({code_unload, M}).
