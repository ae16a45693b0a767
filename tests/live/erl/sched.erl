%% SPDX-License-Identifier: MIT
%% Processes that are taken up and left for every reason, in known numbers. The
%% emulator's own tracing says how often, in which order, and where; the
%% processes themselves how many reductions they took.
-module(sched).

-import(live, [note/1]).
-export([setup/1, run/1, worker/2, work/1, woken/2, burn/1]).

-define(ROUNDS, 40).

setup(_) ->
    note({check, ['sched.in', 'sched.out']}).

run(_) ->
    [traced(What) || What <- [answer, yield, burn, sleep, hibernate, dirty]],
    [reductions() || _ <- lists:seq(1, 5)],
    many().

%% Its tracing begins and ends while it waits; between the two messages all
%% that is seen of it is what the tracer was told.
traced(What) ->
    P = spawn(?MODULE, worker, [self(), What]),
    receive {P, ready} -> ok end,
    settle(),
    1 = erlang:trace(P, true, [running]),
    P ! {begin_now, What},
    drive(What, P),
    receive {P, done} -> ok end,
    settle(),
    1 = erlang:trace(P, false, [running]),
    Ref = erlang:trace_delivered(P),
    note({sched, P, {begin_now, What}, {end_now, What}, told(P, Ref)}),
    [note({sched_left, P, State, N}) || {State, N} <- left(What)],
    P ! {end_now, What}.

settle() ->
    receive after 30 -> ok end.

told(P, Ref) ->
    receive
        {trace, P, How, MFA} -> [{How, MFA} | told(P, Ref)];
        {trace_delivered, P, Ref} -> []
    end.

worker(Root, What) ->
    Root ! {self(), ready},
    receive {begin_now, What} -> ok end,
    work(What),
    done(Root, What).

done(Root, What) ->
    Root ! {self(), done},
    receive {end_now, What} -> ok end.

work(answer) ->
    [receive {From, N} -> From ! {self(), N} end || N <- lists:seq(1, ?ROUNDS)];
work(yield) ->
    [erlang:yield() || _ <- lists:seq(1, ?ROUNDS)];
work(burn) ->
    burn(400000);
work(sleep) ->
    [receive after 1 -> ok end || _ <- lists:seq(1, ?ROUNDS)];
work(hibernate) ->
    receive {From, hibernate} -> erlang:hibernate(?MODULE, woken, [From, ?ROUNDS]) end;
work(dirty) ->
    [begin
         erts_debug:dirty_cpu(wait, 1),
         erts_debug:dirty_io(wait, 1)
     end || _ <- lists:seq(1, ?ROUNDS)].

burn(0) -> ok;
burn(N) -> burn(N - 1).

drive(answer, P) ->
    [begin
         P ! {self(), N},
         receive {P, N} -> ok end
     end || N <- lists:seq(1, ?ROUNDS)];
drive(hibernate, P) ->
    P ! {self(), hibernate},
    [begin
         settle(),
         P ! {wake, N},
         receive {P, N} -> ok end
     end || N <- lists:seq(?ROUNDS, 1, -1)];
drive(_, _) ->
    ok.

woken(From, N) ->
    receive {wake, N} -> From ! {self(), N} end,
    case N of
        1 -> done(From, hibernate);
        _ -> erlang:hibernate(?MODULE, woken, [From, N - 1])
    end.

%% How often it must have been left so, at least.
left(yield) -> [{runnable, ?ROUNDS}];
left(burn) -> [{runnable, 90}];
left(sleep) -> [{waiting, ?ROUNDS}];
left(hibernate) -> [{hibernating, ?ROUNDS}];
left(dirty) -> [{dirty_cpu, ?ROUNDS}, {dirty_io, ?ROUNDS}];
left(answer) -> [{waiting, 1}].

%% Both times it has just been taken up again, by the same code: what
%% process_info/2 adds for the run under way is the same, too.
reductions() ->
    Root = self(),
    P = spawn(fun() ->
                      First = reds(Root, first),
                      burn(123456),
                      [erlang:yield() || _ <- lists:seq(1, 10)],
                      receive after 2 -> ok end,
                      garbage_collect(),
                      Last = reds(Root, last),
                      Root ! {self(), Last - First}
              end),
    receive {P, N} when is_integer(N) -> note({sched_reds, P, {P, first}, {P, last}, N}) end.

reds(Root, Which) ->
    erlang:yield(),
    {reductions, N} = process_info(self(), reductions),
    Root ! {self(), Which},
    N.

%% More than there are schedulers, all at once: they wait for each other.
many() ->
    Root = self(),
    Ps = [spawn(fun() -> burn(60000), Root ! {self(), burnt} end) || _ <- lists:seq(1, 200)],
    [receive {P, burnt} -> note({sched_own, P}) end || P <- Ps].
