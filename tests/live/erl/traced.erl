%% SPDX-License-Identifier: MIT
%% Functions that are called in known numbers, with known arguments, by all the
%% ways there are; and code that is loaded anew meanwhile.
%%
%%   traced               all ways of calling
%%   traced returns       what is returned, and what never is
%%   traced many N        N processes at once
%%   traced turns         functions by turns
%%   traced reload        a module is loaded twice more
-module(traced).

-import(live, [note/1, own/1, text/1]).
-export([setup/1, run/1]).
%% traced
-export([add/2, loop/2, deep/1, tail/2, wide/8, none/0, fails/1, slow/1,
         t1/1, t2/1, t3/1, t4/1, t5/1, t6/1]).
%% callers
-export([worker/2, caller/3, many/3, hot/2]).

-define(HOT, traced_hot).

setup(["reload"]) -> {reload, [compiled(V) || V <- [1, 2, 3]]};
setup(["many", N]) -> {many, list_to_integer(N)};
setup([How]) -> list_to_atom(How);
setup([]) -> ways.

%% ---- what is traced ----------------------------------------------------------

add(A, B) -> {A, B}.

loop(0, Acc) -> Acc;
loop(N, Acc) -> loop(N - 1, [N | Acc]).

deep(0) -> 0;
deep(N) -> 1 + deep(N - 1).

%% Calls in the place of its own return.
tail(A, B) -> add(A, B).

wide(A, B, C, D, E, F, G, H) -> [A, B, C, D, E, F, G, H].

none() -> none.

fails(Why) -> error(Why).

slow(Ms) -> receive after Ms -> {slept, Ms} end.

t1(X) -> {1, X}.
t2(X) -> {2, X}.
t3(X) -> {3, X}.
t4(X) -> {4, X}.
t5(X) -> {5, X}.
t6(X) -> {6, X}.

%% ---- workloads -------------------------------------------------------------------

run(ways) ->
    in_process(ways);
run(returns) ->
    in_process(returns);
run({many, N}) ->
    Ps = [begin
              P = spawn_opt(?MODULE, many, [self(), I, N], [{scheduler, 1 + I rem 2}]),
              own(P),
              called_n(P, N),
              P
          end || I <- [1, 2]],
    [P ! go || P <- Ps],
    [receive {P, done} -> ok end || P <- Ps];
run(turns) ->
    P = spawn(?MODULE, worker, [self(), turns]),
    own(P),
    receive {P, done} -> ok end;
run({reload, Versions}) ->
    reload(Versions).

in_process(What) ->
    P = spawn(?MODULE, worker, [self(), What]),
    own(P),
    receive {P, done} -> ok end.

worker(Root, ways) ->
    terms(),
    ways(),
    Root ! {self(), done};
worker(Root, returns) ->
    returns(),
    Root ! {self(), done};
worker(Root, turns) ->
    %% For three seconds, each as often.
    N = turns(erlang:monotonic_time(millisecond) + 3000, 0),
    note({as, [{t, turned}, {pid, text(self())}, {n, N}]}),
    Root ! {self(), done}.

turns(Until, N) ->
    case erlang:monotonic_time(millisecond) < Until of
        true ->
            t1(N), t2(N), t3(N), t4(N), t5(N), t6(N),
            receive after 1 -> ok end,
            turns(Until, N + 1);
        false ->
            N
    end.

many(Root, I, N) ->
    receive go -> ok end,
    many_calls(I, N),
    Root ! {self(), done}.

many_calls(_, 0) -> ok;
many_calls(I, N) ->
    add(N, self()),
    many_calls(I, N - 1).

%% Of all shapes; the text is as the node prints it.
terms() ->
    [begin
         called(add, [T, I], any),
         add(T, I)
     end || {I, T} <- lists:zip(lists:seq(1, 12),
         [0, -1, 1 bsl 70, 1.5, atom, 'an atom', "text", <<"bytes">>, <<1, 2, 3:5>>,
          [], {a, [b, {c, #{d => "e", 1 => [2 | 3]}}]}, lists:seq(1, 40)])],
    ok.

ways() ->
    Me = {?MODULE, ways, 0},
    called(none, [], Me),
    none(),
    called(wide, [a, 2, "c", {d}, [e], #{f => 1}, <<"g">>, 8], Me),
    wide(a, 2, "c", {d}, [e], #{f => 1}, <<"g">>, 8),
    [called(loop, [N, lists:seq(N + 1, 50)], Me) || N <- lists:seq(50, 0, -1)],
    loop(50, []),
    called(deep, [30], Me),
    [called(deep, [N], {?MODULE, deep, 1}) || N <- lists:seq(29, 0, -1)],
    deep(30),
    %% In the place of tail/2's return: it returns to us.
    called(add, [tail, call], Me),
    tail(tail, call),
    %% By apply, and as funs.
    M = list_to_atom("traced"), F = list_to_atom("add"),
    called(add, [by, apply], Me),
    apply(M, F, [by, apply]),
    called(add, [by, apply3], Me),
    M:F(by, apply3),
    Fun = fun ?MODULE:add/2, Local = fun add/2,
    called(add, [by, 'fun'], Me),
    Fun(by, 'fun'),
    called(add, [by, local], any),
    Local(by, local),
    called(add, [by, lists], any),
    called(add, [again, {by, lists}], any),
    {again, {by, lists}} = lists:foldl(Fun, lists, [by, again]),
    %% From another module, and as the first function of a process.
    called(add, [by, rpc], any),
    erpc_like(),
    P = spawn(?MODULE, add, [first, function]),
    own(P),
    called(P, add, [first, function], none),
    %% Many times, on a stack that moves.
    [called(add, [N, N], {?MODULE, caller, 3}) || N <- lists:seq(400, 1, -1)],
    caller(400, [], ok).

erpc_like() ->
    {_, _} = timer:tc(?MODULE, add, [by, rpc]),
    ok.

%% Not a tail call: the stack grows, and is moved by collections.
caller(0, _, _) -> ok;
caller(N, L, X) ->
    Y = add(N, N),
    R = caller(N - 1, [Y | L], X),
    {Y, L} =:= X orelse R.

returns() ->
    %% From one place each, which is known after the first one.
    [begin paced(N), returned(add, {N, a}), add(N, a) end || N <- lists:seq(1, 200)],
    %% The last of them returns.
    returned(loop, lists:seq(1, 20)),
    loop(20, []),
    [returned(deep, N) || N <- lists:seq(0, 20)],
    deep(20),
    returned(add, {tail, call}),
    tail(tail, call),
    [begin returned(slow, {slept, 20}), slow(20) end || _ <- lists:seq(1, 5)],
    %% Never.
    [catch fails(N) || N <- lists:seq(1, 50)],
    [begin paced(N), returned(add, {N, b}), add(N, b) end || N <- lists:seq(1, 200)].

paced(2) -> receive after 300 -> ok end;
paced(_) -> ok.

%% ---- code that is loaded anew -------------------------------------------------------

compiled(V) ->
    Body = io_lib:format(
        "-module(~s).~n-export([f/1, stay/1, g/1]).~n"
        "f(X) -> {~b, X}.~n"
        "g(X) -> {~b, X}.~n"
        "stay(Root) -> receive {g, X} -> Y = g(X), Root ! {self(), Y}, stay(Root); stop -> ok end.~n",
        [?HOT, V, V]),
    {ok, Ts, _} = erl_scan:string(lists:flatten(Body)),
    {ok, ?HOT, Bin} = compile:forms(forms(Ts, [], []), []),
    {V, Bin}.

forms([], [], Fs) -> lists:reverse(Fs);
forms([{dot, _} = D | Ts], Acc, Fs) ->
    {ok, F} = erl_parse:parse_form(lists:reverse([D | Acc])),
    forms(Ts, [], [F | Fs]);
forms([T | Ts], Acc, Fs) -> forms(Ts, [T | Acc], Fs).

%% The first version is there before anybody looks.
reload([{1, B1}, {2, B2}, {3, B3}]) ->
    {module, ?HOT} = code:load_binary(?HOT, "none", B1),
    live:wait_for_file("attached"),
    hot(1, 300),
    Old = spawn(?HOT, stay, [self()]),
    own(Old),
    {module, ?HOT} = code:load_binary(?HOT, "none", B2),
    hot(2, 300),
    %% Old code goes on.
    [begin
         hot_called(Old, g, [{sure, old, N}]),
         Old ! {g, {sure, old, N}},
         receive {Old, {1, {sure, old, N}}} -> ok end
     end || N <- lists:seq(1, 100)],
    Old ! stop,
    live:wait_for(Old),
    true = code:soft_purge(?HOT),
    {module, ?HOT} = code:load_binary(?HOT, "none", B3),
    hot(3, 300).

hot(V, N) ->
    P = self(),
    own(P),
    hot_gap(V, erlang:monotonic_time(millisecond) + 300, 0),
    [hot_called(P, f, [{sure, V, I}]) || I <- lists:seq(1, N)],
    [{V, _} = ?HOT:f({sure, V, I}) || I <- lists:seq(1, N)],
    ok.

%% While a breakpoint may be under way.
hot_gap(V, Until, I) ->
    case erlang:monotonic_time(millisecond) < Until of
        true ->
            {V, _} = ?HOT:f({gap, V, I}),
            receive after 1 -> ok end,
            hot_gap(V, Until, I + 1);
        false ->
            ok
    end.

hot_called(P, F, Args) ->
    note({as, [{t, call}, {pid, text(P)}, {mfa, mfa({?HOT, F, length(Args)})},
               {args, [text(A) || A <- Args]}, {caller, any}]}).

%% ---- facts ------------------------------------------------------------------------

called(F, Args, Caller) -> called(self(), F, Args, Caller).

called(P, F, Args, Caller) ->
    note({as, [{t, call}, {pid, text(P)}, {mfa, mfa({?MODULE, F, length(Args)})},
               {args, [text(A) || A <- Args]}, {caller, mfa(Caller)}]}).

%% add(I, P) for I from N down to 1.
called_n(P, N) ->
    note({as, [{t, calls_n}, {pid, text(P)}, {mfa, <<"traced:add/2">>}, {n, N}]}).

returned(F, Value) ->
    note({as, [{t, return}, {pid, text(self())}, {function, F}, {value, text(Value)}]}).

mfa(A) when is_atom(A) -> A;
mfa({M, F, A}) ->
    iolist_to_binary([atom_to_binary(M), $:, atom_to_binary(F), $/, integer_to_binary(A)]).
