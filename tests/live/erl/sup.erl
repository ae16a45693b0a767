%% SPDX-License-Identifier: MIT
%% A supervisor tree whose workers crash and are started again:
%%
%%   sup (one_for_one) ── a, b: gen_servers
%%    └── inner (one_for_all) ── c, d: gen_servers
%%
%% Every crash comes from a cast that makes the worker stop with a reason.
-module(sup).
-behaviour(supervisor).
%% and a gen_server: the workers

-import(live, [note/1, own/1]).
-export([setup/1, run/1]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2, start_worker/1]).

-define(CRASHES, 30).

setup(_) ->
    note({check, ['proc.spawn', 'proc.exit', 'proc.exit_signal',
                  'proc.register', 'proc.unregister', 'msg.send']}).

run(_) ->
    process_flag(trap_exit, true),
    {ok, Sup} = supervisor:start_link({local, sup_outer}, ?MODULE, outer),
    note({spawn, self(), Sup, {proc_lib, init_p, 5}}),
    note({register, Sup, sup_outer}),
    note({send, Sup, self(), {ack, Sup, {ok, Sup}}}),
    [crash(N) || N <- lists:seq(1, ?CRASHES)],
    finish(Sup),
    note({exit, self(), normal}).

%% One worker crashes, with a reason of its own.
crash(N) ->
    Name = lists:nth(1 + N rem 4, [sup_a, sup_b, sup_c, sup_d]),
    Old = whereis(Name),
    gen_server:cast(Name, {crash, N}),
    note({send, self(), Old, {'$gen_cast', {crash, N}}}),
    back(Name, Old),
    %% one_for_all: both are there again when the later one is
    Name =/= sup_c orelse back(sup_d, none),
    settle().

%% The name belongs to another process than Old.
back(Name, Old) ->
    case whereis(Name) of
        P when is_pid(P), P =/= Old -> ok;
        _ -> receive after 1 -> back(Name, Old) end
    end.

%% Until the supervisors wait for messages again: names are registered before
%% a start is acknowledged. Their truth holds the number of starts.
settle() ->
    receive after 5 -> ok end.

%% The tree is taken down by its parent; which process notes what is below.
finish(Sup) ->
    [A, B, C, D] = [whereis(N) || N <- [sup_a, sup_b, sup_c, sup_d]],
    Inner = whereis(sup_inner),
    exit(Sup, shutdown),
    note({exit_signal, self(), Sup, shutdown, exit}),
    receive {'EXIT', Sup, shutdown} -> ok end,
    %% Children end in reverse order of their start.
    note({exit_signal, Sup, Inner, shutdown, exit}),
    note({exit_signal, Inner, D, shutdown, exit}),
    note({exit_signal, Inner, C, shutdown, exit}),
    note({exit_signal, Sup, B, shutdown, exit}),
    note({exit_signal, Sup, A, shutdown, exit}),
    %% Supervisors unlink a child before they end it: no signal comes back,
    %% or a last one where the end was quicker than the unlink.
    [begin note({exit, P, shutdown}), note({unregister, P, Name}) end
     || {P, Name} <- [{A, sup_a}, {B, sup_b}, {C, sup_c}, {D, sup_d},
                      {Inner, sup_inner}, {Sup, sup_outer}]],
    [note({'maybe', 'proc.exit_signal', P, S, <<"^shutdown$">>})
     || {P, S} <- [{A, Sup}, {B, Sup}, {Inner, Sup}, {C, Inner}, {D, Inner}]],
    note({exit_signal, Sup, self(), shutdown, link}).

%% ---- the tree -----------------------------------------------------------

flags(Strategy) ->
    #{strategy => Strategy, intensity => 1000, period => 1}.

worker(Name) ->
    #{id => Name, start => {?MODULE, start_worker, [Name]}}.

start_worker(Name) ->
    gen_server:start_link({local, Name}, ?MODULE, {worker, Name, self()}, []).

init(outer) ->
    own(self()),
    note({'maybe', 'msg.send', self(), self(), <<"init_it">>}),
    {ok, {flags(one_for_one), [
        worker(sup_a), worker(sup_b),
        #{id => inner, type => supervisor,
          start => {supervisor, start_link, [{local, sup_inner}, ?MODULE, {inner, self()}]}}]}};
init({inner, Outer}) ->
    own(self()),
    note({spawn, Outer, self(), {proc_lib, init_p, 5}}),
    note({register, self(), sup_inner}),
    note({send, self(), Outer, {ack, self(), {ok, self()}}}),
    {ok, {flags(one_for_all), [worker(sup_c), worker(sup_d)]}};
init({worker, Name, Parent}) ->
    process_flag(trap_exit, Name =:= sup_a),
    own(self()),
    note({spawn, Parent, self(), {proc_lib, init_p, 5}}),
    note({register, self(), Name}),
    note({send, self(), Parent, {ack, self(), {ok, self()}}}),
    {ok, {Name, Parent}}.

handle_call(_, _, State) ->
    {reply, ok, State}.

handle_cast({crash, N}, {Name, Parent} = State) ->
    note({exit, self(), {boom, N}}),
    note({unregister, self(), Name}),
    note({exit_signal, self(), Parent, {boom, N}, link}),
    %% one_for_all ends the sibling first, then starts both.
    case Name of
        sup_c -> sibling(sup_d, Parent);
        sup_d -> sibling(sup_c, Parent);
        _ -> ok
    end,
    {stop, {boom, N}, State}.

sibling(Name, Parent) ->
    P = whereis(Name),
    note({exit_signal, Parent, P, shutdown, exit}),
    note({exit, P, shutdown}),
    note({unregister, P, Name}),
    note({'maybe', 'proc.exit_signal', P, Parent, <<"^shutdown$">>}).

terminate(_, _) ->
    ok.
