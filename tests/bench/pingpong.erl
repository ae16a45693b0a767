%% SPDX-License-Identifier: MIT
%% Two processes that send one term to and fro, and count; what is measured
%% knows itself how much it did. Commands come on the standard input, a line
%% each; each is answered with a line:
%%
%%   run MS WORDS   ping-pong with a term of 3, 8, 16 or 64 words: done MESSAGES NS
%%   pace MS WORDS RATE
%%                  the same at RATE messages a second: done MESSAGES NS
%%   modules N      load N modules: ok
%%   procs N        have N idle processes: ok
%%   servers N      start N gen_servers: ok
%%   storm MS WORDS send the term to one after another of those, in no order, for
%%                  as long: done MESSAGES NS
%%   calls N        call a function N times: done CALLS NS
%%   infos          what top-like tools ask of each process: done PROCESSES NS
%%   dbg FILE       trace their sends to a file by dbg's port tracer: ok
%%   undbg          and no longer: ok
%%   mix MS         calls of a gen_server and processes that come and go: ok
%%   quit
-module(pingpong).
-behaviour(gen_server).

-export([main/0, ping/1, pong/1, caller/2, brief/1, idle/0, storm/5]).
-export([called/2, never/0]).
-export([init/1, handle_call/3, handle_cast/2]).

%% Between two looks at whether to stop.
-define(ROUNDS, 64).

main() ->
    Stop = atomics:new(1, []),
    Ping = spawn(?MODULE, ping, [Stop]),
    Pong = spawn(?MODULE, pong, [Ping]),
    Ping ! {pong, Pong},
    register(ping, Ping),
    register(pong, Pong),
    io:format("ready ~s~n", [os:getpid()]),
    commands({Stop, Ping, Pong}).

commands(State) ->
    case io:get_line('') of
        Line when is_list(Line) ->
            case string:lexemes(Line, " \n") of
                ["quit"] ->
                    ok;
                Words ->
                    io:put_chars([command(Words, State), $\n]),
                    commands(State)
            end;
        _ ->
            ok
    end,
    halt().

command(["run", Ms, Words], {Stop, Ping, _}) ->
    N = list_to_integer(Words),
    Term = term(N),
    N = erts_debug:flat_size(Term),
    atomics:put(Stop, 1, 0),
    T0 = erlang:monotonic_time(nanosecond),
    Ping ! {run, self(), Term},
    receive after list_to_integer(Ms) -> atomics:put(Stop, 1, 1) end,
    receive
        {done, Messages} ->
            Ns = erlang:monotonic_time(nanosecond) - T0,
            io_lib:format("done ~b ~b", [Messages, Ns])
    end;
command(["pace", Ms, Words, Rate], {Stop, Ping, _}) ->
    atomics:put(Stop, 1, 0),
    T0 = erlang:monotonic_time(nanosecond),
    Ping ! {pace, self(), term(list_to_integer(Words)), list_to_integer(Rate)},
    receive after list_to_integer(Ms) -> atomics:put(Stop, 1, 1) end,
    receive
        {done, Messages} ->
            Ns = erlang:monotonic_time(nanosecond) - T0,
            io_lib:format("done ~b ~b", [Messages, Ns])
    end;
command(["modules", N], _) ->
    [load(list_to_atom("bench_mod_" ++ integer_to_list(I))) || I <- lists:seq(1, list_to_integer(N))],
    "ok";
command(["procs", N], _) ->
    Old = tuple_to_list(persistent_term:get(idle, {})),
    New = [spawn(?MODULE, idle, []) || _ <- lists:seq(length(Old) + 1, list_to_integer(N))],
    persistent_term:put(idle, list_to_tuple(New ++ Old)),
    "ok";
command(["calls", N], _) ->
    T0 = erlang:monotonic_time(nanosecond),
    Calls = calls(list_to_integer(N), 0),
    io_lib:format("done ~b ~b", [Calls, erlang:monotonic_time(nanosecond) - T0]);
command(["infos"], _) ->
    T0 = erlang:monotonic_time(nanosecond),
    Infos = [process_info(P, [registered_name, initial_call, current_function, status,
                              message_queue_len, memory, reductions, dictionary])
             || P <- processes()],
    Ns = erlang:monotonic_time(nanosecond) - T0,
    io_lib:format("done ~b ~b", [length(Infos), Ns]);
command(["servers", N], _) ->
    [{ok, _} = gen_server:start(?MODULE, [], []) || _ <- lists:seq(1, list_to_integer(N))],
    "ok";
command(["storm", Ms, Words], {Stop, _, _}) ->
    Term = term(list_to_integer(Words)),
    atomics:put(Stop, 1, 0),
    T0 = erlang:monotonic_time(nanosecond),
    Storm = spawn(?MODULE, storm, [self(), Stop, Term, 1, 0]),
    receive after list_to_integer(Ms) -> atomics:put(Stop, 1, 1) end,
    receive
        {Storm, Messages} ->
            Ns = erlang:monotonic_time(nanosecond) - T0,
            io_lib:format("done ~b ~b", [Messages, Ns])
    end;
command(["dbg", File], {_, Ping, Pong}) ->
    {ok, _} = dbg:tracer(port, dbg:trace_port(file, File)),
    [{ok, _} = dbg:p(P, [s]) || P <- [Ping, Pong]],
    "ok";
command(["undbg"], _) ->
    dbg:stop_clear(),
    "ok";
command(["mix", Ms], {Stop, _, _}) ->
    atomics:put(Stop, 1, 0),
    {ok, Server} = gen_server:start({local, bench_server}, ?MODULE, [], []),
    Me = self(),
    Callers = [spawn(?MODULE, caller, [Me, Stop]) || _ <- lists:seq(1, 4)],
    receive after list_to_integer(Ms) -> atomics:put(Stop, 1, 1) end,
    [receive {P, ended} -> ok end || P <- Callers],
    gen_server:stop(Server),
    "ok".

%% Made at run time: literals are not copied. The larger ones are what messages
%% are made of, tuples in tuples and lists.
term(3) -> {ping, id(1)};
term(8) -> {id(call), id(42), [key, value]};
term(16) -> {id(call), {id(from), tag}, [id(a), id(b)], {id(get), key, 42}};
term(64) -> {id(many), 1, 2, 3, 4, 5, 6, 7, [term(16), term(16), term(16)]}.

id(X) -> binary_to_term(term_to_binary(X)).

ping(Stop) ->
    receive {pong, Pong} -> ping(Stop, Pong) end.

ping(Stop, Pong) ->
    receive
        {run, From, Term} ->
            From ! {done, 2 * rally(Stop, Pong, Term, 0)};
        {pace, From, Term, Rate} ->
            From ! {done, 2 * pace(Stop, Pong, Term, Rate / 2.0e9, erlang:monotonic_time(nanosecond), 0)}
    end,
    ping(Stop, Pong).

rally(Stop, Pong, Term, N) ->
    volley(Pong, Term, ?ROUNDS),
    case atomics:get(Stop, 1) of
        0 -> rally(Stop, Pong, Term, N + ?ROUNDS);
        _ -> N + ?ROUNDS
    end.

%% As many as are due, every two milliseconds; what was not managed by then is
%% caught up with.
pace(Stop, Pong, Term, PerNs, T0, N) ->
    Due = trunc((erlang:monotonic_time(nanosecond) - T0) * PerNs),
    volley(Pong, Term, max(0, Due - N)),
    receive after 2 -> ok end,
    case atomics:get(Stop, 1) of
        0 -> pace(Stop, Pong, Term, PerNs, T0, max(N, Due));
        _ -> max(N, Due)
    end.

volley(_, _, 0) ->
    ok;
volley(Pong, Term, N) ->
    Pong ! Term,
    receive _ -> volley(Pong, Term, N - 1) end.

pong(Ping) ->
    receive Term -> Ping ! Term end,
    pong(Ping).

%% Eight functions, as small modules have.
load(Module) ->
    Names = [a, b, c, d, e, f, g, h],
    {ok, Module, Code} = compile:forms(
        [{attribute, 1, module, Module}, {attribute, 1, export, [{F, 1} || F <- Names]} |
         [{function, 1, F, 1, [{clause, 1, [{var, 1, 'X'}], [], [{tuple, 1, [{atom, 1, F}, {var, 1, 'X'}]}]}]}
          || F <- Names]]),
    {module, Module} = code:load_binary(Module, "", Code).

idle() ->
    receive _ -> idle() end.

storm(From, Stop, Term, X, N) ->
    Next = volley(persistent_term:get(idle), Term, X, ?ROUNDS),
    case atomics:get(Stop, 1) of
        0 -> storm(From, Stop, Term, Next, N + ?ROUNDS);
        _ -> From ! {self(), N + ?ROUNDS}
    end.

volley(_, _, X, 0) ->
    X;
volley(Idle, Term, X, N) ->
    element((X bsr 8) rem tuple_size(Idle) + 1, Idle) ! Term,
    volley(Idle, Term, (X * 1103515245 + 12345) band 16#7fffffff, N - 1).

%% Nine calls, then a process that lives for a message.
caller(Root, Stop) ->
    [gen_server:call(bench_server, {get, <<"item">>, N}) || N <- lists:seq(1, 9)],
    Me = self(),
    spawn(?MODULE, brief, [Me]),
    receive {brief, Me} -> ok end,
    case atomics:get(Stop, 1) of
        0 -> caller(Root, Stop);
        _ -> Root ! {self(), ended}
    end.

brief(Parent) ->
    Parent ! {brief, Parent}.

init([]) -> {ok, #{}}.

handle_call({get, Key, N}, _, S) -> {reply, {ok, [{Key, N}, {price, 9.5}]}, S}.

handle_cast(_, S) -> {noreply, S}.

%% ---- calls that are traced ------------------------------------------------------

calls(0, Done) -> Done;
calls(N, Done) ->
    N = called(N, {some, <<"term">>}),
    calls(N - 1, Done + 1).

called(N, _) -> N.

never() -> ok.
