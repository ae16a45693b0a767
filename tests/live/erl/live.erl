%% SPDX-License-Identifier: MIT
%% Runs a workload and writes down what really happened.
%%
%%   erl -mode embedded -run live main MODULE DIR [ARG…]
%%
%% MODULE:setup(Args) -> State is called by the driver; what it starts is no
%% part of the truth unless it is noted. Then DIR/ready appears, and once
%% DIR/go is there, MODULE:run(State) runs in a process of its own. Afterwards
%% DIR/truth has a JSON object a line for each fact noted, and DIR/done
%% appears. The node stays until it is ended from outside.
%%
%% The truth must not disturb what is measured: facts are kept as terms in an
%% ETS table (no message, no process of its own) and become text only when all
%% is over. Own processes must send nothing else: no io, no code loading, no
%% logging, hence embedded mode and no log level.
%%
%% Facts, as JSON: {"t":KIND,…}; tests/live/compare.py says what it makes of
%% each. Texts of terms are io_lib:format("~0tp").
-module(live).

-export([main/1, note/1, own/1, spawned/5, text/1]).
%% for workloads
-export([poll/1, wait_for/1, wait_for_state/2, recv/2, sends/5, wait_for_file/1]).

main([Module0, Dir | Args]) ->
    Module = list_to_atom(Module0),
    truth = ets:new(truth, [named_table, public, ordered_set,
                            {write_concurrency, true}]),
    load(filename:dirname(code:where_is_file("live.beam"))),
    persistent_term:put({?MODULE, dir}, Dir),
    State = Module:setup(Args),
    flag(Dir, "ready"),
    poll(fun() -> element(1, prim_file:read_file_info(name(Dir, "go"))) =:= ok end),
    Root = spawn(fun() -> root(Module, State) end),
    note({own, Root}),
    note({spawn, self(), Root, {erlang, apply, 2}}),
    poll(fun() -> ets:member(truth, finished) end),
    %% The root's own end, and what else is under way.
    receive after 100 -> ok end,
    ok = prim_file:write_file(name(Dir, "truth"), facts()),
    flag(Dir, "done"),
    receive never -> ok end.

root(Module, State) ->
    try Module:run(State)
    catch C:R:S -> note({failed, {C, R, S}})
    end,
    ets:insert(truth, {finished}).

%% All of our modules, as embedded mode loads nothing by itself.
load(Dir) ->
    {ok, Names} = prim_file:list_dir(Dir),
    [{module, _} = code:load_abs(filename:join(Dir, filename:rootname(N)))
     || N <- Names, filename:extension(N) =:= ".beam",
        filename:rootname(N) =/= "live", hd(N) =/= $_].

name(Dir, Name) ->
    filename:join(Dir, Name).

flag(Dir, Name) ->
    ok = prim_file:write_file(name(Dir, Name), <<>>).

poll(Done) ->
    case Done() of
        true -> ok;
        false -> receive after 5 -> poll(Done) end
    end.

%% ---- for workloads ------------------------------------------------------

note(Fact) ->
    ets:insert(truth, {erlang:unique_integer([monotonic]), Fact}),
    ok.

%% Every event that Pid is a party of must be in the truth.
own(Pid) ->
    note({own, Pid}).

%% Pid was spawned by us as M:F(Args), and is ours.
spawned(Pid, M, F, Args, Opts) ->
    own(Pid),
    note({spawn, self(), Pid, {M, F, length(Args)}, Args,
          lists:member(link, Opts), lists:member(monitor, Opts)}),
    Pid.

%% Msg is the next to be received, and From sent it.
recv(From, Msg) ->
    receive Msg -> note({recv, self(), From, Msg}) end.

%% Wait for a process to be gone, without monitors; process_info/2 and
%% is_process_alive/1 would not do, they may send a signal and get an answer.
wait_for(Pid) ->
    poll(fun() -> not lists:member(Pid, processes()) end).

wait_for_state(Pid, State) ->
    poll(fun() -> process_info(Pid, status) =:= {status, State} end).

%% Wait for a file of that name in the workload's folder.
wait_for_file(Name) ->
    Path = name(persistent_term:get({?MODULE, dir}), Name),
    poll(fun() -> element(1, prim_file:read_file_info(Path)) =:= ok end).

%% From sent To the message Template for each N in Lo..Hi, in that order, with
%% N where Template has '$n'.
sends(From, To, Template, Lo, Hi) ->
    note({sends, From, To, Template, Lo, Hi}).

text(Term) ->
    unicode:characters_to_binary(io_lib:format("~0tp", [Term])).

%% ---- JSON ---------------------------------------------------------------

facts() ->
    [[json(fact(F)), $\n] || {N, F} <- ets:tab2list(truth), is_integer(N)].

fact({as, Object}) -> Object;
fact({own, P}) -> [{t, own}, {pid, id(P)}];
fact({failed, W}) -> [{t, failed}, {why, text(W)}];
fact({at, P, MFA}) -> [{t, at}, {pid, id(P)}, {mfa, mfa(MFA)}];
fact({check, Kinds}) -> [{t, check}, {kinds, Kinds}];
fact({rate, What, N, Ns}) -> [{t, rate}, {what, What}, {n, N}, {ns, Ns}];
fact({send, F, {alias, Ref, P}, M}) ->
    [{process, id(P)} | fact({send, F, {alias, Ref}, M})];
fact({send, F, T, M}) -> [{t, send}, {from, id(F)}, {to, id(T)}, {msg, text(M)}];
fact({send_words, F, T, M, N}) -> [{words, N} | fact({send, F, T, M})];
fact({send_cut, F, T, M}) ->
    [{t, send}, {from, id(F)}, {to, id(T)}, {msg, text(M)}, {cut, true}];
fact({sends, F, T, M, Lo, Hi}) ->
    [{t, sends}, {from, id(F)}, {to, id(T)}, {msg, text(M)}, {lo, Lo}, {hi, Hi}];
fact({recv, P, F, M}) -> [{t, recv}, {pid, id(P)}, {from, id(F)}, {msg, text(M)}];
fact({recvs, P, F, M, Lo, Hi}) ->
    [{t, recvs}, {pid, id(P)}, {from, id(F)}, {msg, text(M)}, {lo, Lo}, {hi, Hi}];
fact({spawn, P, C, MFA, Args, Link, Monitor}) ->
    [{t, spawn}, {pid, id(P)}, {child, id(C)}, {mfa, mfa(MFA)},
     {args, [text(A) || A <- Args]}, {link, Link}, {monitor, Monitor}];
fact({spawn, P, C, MFA}) ->
    [{t, spawn}, {pid, id(P)}, {child, id(C)}, {mfa, mfa(MFA)}];
fact({exit, P, R}) -> [{t, exit}, {pid, id(P)}, {reason, text(R)}];
fact({exit_signal, F, T, R, Via}) ->
    [{t, exit_signal}, {pid, id(F)}, {to, id(T)}, {reason, text(R)}, {via, Via}];
fact({link, P, T}) -> [{t, link}, {pid, id(P)}, {to, id(T)}];
fact({unlink, P, T}) -> [{t, unlink}, {pid, id(P)}, {to, id(T)}];
fact({monitor, P, T, R}) -> [{t, monitor}, {pid, id(P)}, {to, id(T)}, {ref, text(R)}];
fact({demonitor, P, T, R}) -> [{t, demonitor}, {pid, id(P)}, {to, id(T)}, {ref, text(R)}];
fact({down, W, F, R, Why}) ->
    [{t, down}, {pid, id(W)}, {from, id(F)}, {ref, text(R)}, {reason, text(Why)}];
fact({register, P, N}) -> [{t, register}, {pid, id(P)}, {name, atom_to_binary(N)}];
fact({unregister, P, N}) -> [{t, unregister}, {pid, id(P)}, {name, atom_to_binary(N)}];
fact({gc, P, Major, N}) -> [{t, gc}, {pid, id(P)}, {major, Major}, {n, N}];
%% A dirty scheduler collected P.
fact({gc_dirty, P}) -> [{t, gc_dirty}, {pid, id(P)}];
fact({gc_between, A, B, N}) ->
    [{t, gc_between}, {first, text(A)}, {last, text(B)}, {n, N}];
%% What the emulator's tracing told of Pid between two messages to it; how
%% often at least it was left in a state; the reductions of its runs between two
%% messages that it sent; that all its runs were watched.
fact({sched, P, A, B, Told}) ->
    [{t, sched}, {pid, id(P)}, {first, text(A)}, {last, text(B)},
     {told, [[{how, How}, {mfa, where(MFA)}] || {How, MFA} <- Told]}];
fact({sched_left, P, State, N}) ->
    [{t, sched_left}, {pid, id(P)}, {state, State}, {n, N}];
fact({sched_reds, P, A, B, N}) ->
    [{t, sched_reds}, {pid, id(P)}, {first, text(A)}, {last, text(B)}, {n, N}];
fact({sched_own, P}) -> [{t, sched_own}, {pid, id(P)}];
%% P hibernated, to wake in that function; it held so many words then.
fact({hibernate, P, none, any}) -> [{t, hibernate}, {pid, id(P)}, {mfa, null}];
fact({hibernate, P, MFA, any}) -> [{t, hibernate}, {pid, id(P)}, {mfa, mfa(MFA)}];
fact({hibernate, P, MFA, Args}) ->
    [{t, hibernate}, {pid, id(P)}, {mfa, mfa(MFA)}, {args, [text(A) || A <- Args]}];
fact({hibernated, P, Words}) -> [{t, hibernated}, {pid, id(P)}, {words, Words}];
%% The sizes that P's heap was given between two messages to it.
fact({heap, P, A, B, Sizes}) ->
    [{t, heap}, {pid, id(P)}, {first, text(A)}, {last, text(B)},
     {sizes, [[{before, Before}, {then, Then}] || {Before, Then} <- Sizes]}];
%% P called native code N times, each time for that long at least.
fact({calls, P, MFA, Type, N, Ns}) ->
    [{t, calls}, {pid, id(P)}, {mfa, mfa(MFA)}, {type, Type}, {n, N}, {ns, Ns}];
%% From sent To, whatever that is; why nobody got it.
fact({attempt, F, T, M, Dropped}) ->
    [{t, attempt}, {from, id(F)}, {to, text(T)}, {msg, text(M)}, {dropped, Dropped}];
fact({code_load, M, N}) -> [{t, code_load}, {module, M}, {functions, N}];
fact({code_unload, M}) -> [{t, code_unload}, {module, M}];
%% An event, or N, with what compare.py compares of that kind.
fact({event, Kind, P, Says}) -> fact({events, 1, Kind, P, Says});
fact({events, N, Kind, P, Says}) ->
    [{t, event}, {kind, Kind}, {pid, id(P)}, {n, N}, {says, Says}];
%% The own address of a port's socket.
fact({socket, Port, Local}) -> [{t, socket}, {port, id(Port)}, {local, Local}];
%% An event of that kind with these parties may be there, or not.
fact({'maybe', Kind, P, Other, Re}) ->
    [{t, 'maybe'}, {kind, Kind}, {pid, id(P)}, {other, id(Other)}, {re, Re}].

id(P) when is_pid(P); is_port(P); is_reference(P) -> text(P);
id(A) when is_atom(A) -> atom_to_binary(A);
id({alias, Ref}) -> <<"alias ", (text(Ref))/binary>>.

where({_, _, _} = MFA) -> mfa(MFA);
where(_) -> <<>>.

mfa({M, F, A}) ->
    iolist_to_binary([atom_to_binary(M), $:, atom_to_binary(F), $/, integer_to_binary(A)]).

json([{K, _} | _] = Object) when is_atom(K) ->
    [${, lists:join($,, [[json(A), $:, json(V)] || {A, V} <- Object]), $}];
json(L) when is_list(L) -> [$[, lists:join($,, [json(V) || V <- L]), $]];
json(true) -> "true";
json(false) -> "false";
json(null) -> "null";
json(A) when is_atom(A) -> json(atom_to_binary(A));
json(N) when is_integer(N) -> integer_to_binary(N);
json(P) when is_port(P); is_pid(P); is_reference(P) -> json(id(P));
json(B) when is_binary(B) -> [$", [escape(C) || <<C>> <= B], $"].

escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape(C) when C < 32 -> io_lib:format("\\u~4.16.0b", [C]);
escape(C) -> C.
