%% SPDX-License-Identifier: MIT
%% C code that processes run, in known numbers: BIFs and NIFs on dirty
%% schedulers, NIFs, and BIFs that are called with their registers saved.
-module(dirty).

-import(live, [note/1, own/1]).
-export([setup/1, run/1, worker/2]).

-define(TIMES, 20).
-define(WAIT_MS, 3).

setup(_) ->
    note({check, ['call']}).

run(_) ->
    [begin
         P = spawn(?MODULE, worker, [self(), What]),
         own(P),
         receive {P, done} -> ok end,
         [note({calls, P, MFA, Type, N, Least}) || {MFA, Type, N, Least} <- truth(What)]
     end || What <- [cpu, io, file, nif, info, dictionary, collect, applied, light]].

worker(Root, What) ->
    times(?TIMES, What),
    Root ! {self(), done}.

times(0, _) -> ok;
times(N, What) -> call(What), times(N - 1, What).

call(cpu) -> erts_debug:dirty_cpu(wait, ?WAIT_MS);
call(io) -> erts_debug:dirty_io(wait, ?WAIT_MS);
call(file) -> {ok, _} = prim_file:get_cwd();
call(nif) -> 0 = prim_buffer:size(prim_buffer:new());
call(info) -> process_info(self(), reductions);
call(dictionary) -> put(key, value), erase(key);
call(collect) -> garbage_collect();
call(applied) -> true = is_integer(apply(which(erlang), which(system_time), []));
%% Called straight from the code: not seen.
call(light) -> true = is_integer(erlang:system_time()), self() =:= whereis(nobody).

%% What the compiler does not know.
which(Atom) -> list_to_atom(atom_to_list(Atom)).

%% How often, and how long at least each, in nanoseconds. A dirty NIF is begun,
%% and what a dirty scheduler did is handed over, on a normal one.
truth(cpu) ->
    [{{erts_debug, dirty_cpu, 2}, dirty_bif, ?TIMES, ?WAIT_MS * 1000000},
     {{erts_internal, dirty_bif_result, 1}, bif, ?TIMES, 0}];
truth(io) ->
    [{{erts_debug, dirty_io, 2}, dirty_bif, ?TIMES, ?WAIT_MS * 1000000},
     {{erts_internal, dirty_bif_result, 1}, bif, ?TIMES, 0}];
truth(file) ->
    [{{prim_file, get_cwd_nif, 0}, nif, ?TIMES, 0},
     {{prim_file, get_cwd_nif, 0}, dirty_nif, ?TIMES, 0},
     {{erts_internal, dirty_nif_finalizer, 1}, nif, ?TIMES, 0}];
truth(nif) ->
    [{{prim_buffer, new, 0}, nif, ?TIMES, 0}, {{prim_buffer, size, 1}, nif, ?TIMES, 0}];
truth(info) ->
    [{{erlang, process_info, 2}, bif, ?TIMES, 0}];
truth(dictionary) ->
    [{{erlang, put, 2}, bif, ?TIMES, 0}, {{erlang, erase, 1}, bif, ?TIMES, 0}];
truth(collect) ->
    [{{erts_internal, garbage_collect, 1}, bif, ?TIMES, 0}];
truth(applied) ->
    [{{erlang, system_time, 0}, bif, ?TIMES, 0}];
truth(light) ->
    [].
