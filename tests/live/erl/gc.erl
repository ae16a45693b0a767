%% SPDX-License-Identifier: MIT
%% Collections in known numbers. Processes that hold a heap too large to fill
%% collect only when told to; what the rest does is counted by the emulator's
%% own statistics, between two markers.
-module(gc).

-import(live, [note/1, own/1]).
-export([setup/1, run/1, forced/3, garbage/1]).

setup(_) ->
    note({check, ['gc.end']}).

run(_) ->
    Ps = [spawn_opt(?MODULE, forced, [self(), Major, Minor], [{min_heap_size, 50000}])
          || {Major, Minor} <- [{7, 0}, {0, 5}, {20, 10}, {1, 1}]],
    [receive {P, done} -> ok end || P <- Ps],
    %% Natural ones. Nobody else does anything meanwhile.
    garbage_collect(),
    {N0, _, _} = statistics(garbage_collection),
    self() ! {gc, begins},
    Gs = [spawn(?MODULE, garbage, [self()]) || _ <- lists:seq(1, 4)],
    [receive {P, done} -> ok end || P <- Gs],
    receive after 50 -> ok end,
    self() ! {gc, ends},
    {N1, _, _} = statistics(garbage_collection),
    note({gc_between, {gc, begins}, {gc, ends}, N1 - N0}).

%% What was asked for as minor may become major: a process knows afterwards.
forced(Root, Major, Minor) ->
    Asked = [major || _ <- lists:seq(1, Major)] ++ [minor || _ <- lists:seq(1, Minor)],
    Were = [begin
                erlang:garbage_collect(self(), [{type, Type}]),
                {_, Info} = process_info(self(), garbage_collection),
                0 =:= proplists:get_value(minor_gcs, Info)
            end || Type <- Asked],
    [note({gc, self(), Is, length([W || W <- Were, W =:= Is])}) || Is <- [true, false]],
    Root ! {self(), done}.

garbage(Root) ->
    L = lists:foldl(fun(N, Acc) ->
                            _ = lists:seq(1, 50),
                            case N rem 10 of
                                0 -> [N | Acc];
                                _ -> Acc
                            end
                    end, [], lists:seq(1, 20000)),
    true = length(L) > 0,
    Root ! {self(), done}.
