%% SPDX-License-Identifier: MIT
%% Heaps that grow and shrink, by the emulator's own tracing of collections.
-module(heap).

-import(live, [note/1]).
-export([setup/1, run/1, worker/2]).

setup(_) ->
    note({check, ['heap.grow', 'gc.end']}).

run(_) ->
    [traced(What) || What <- [list, binary_list, garbage, up_and_down, forced, large]].

%% All of it between two messages, while it waits.
traced(What) ->
    P = spawn(?MODULE, worker, [self(), What]),
    receive {P, ready} -> ok end,
    receive after 20 -> ok end,
    1 = erlang:trace(P, true, [garbage_collection]),
    P ! {begin_now, What},
    receive {P, done} -> ok end,
    receive after 20 -> ok end,
    1 = erlang:trace(P, false, [garbage_collection]),
    Ref = erlang:trace_delivered(P),
    note({heap, P, {begin_now, What}, {end_now, What}, resized(told(P, Ref))}),
    [note({gc_dirty, P}) || What =:= large],
    P ! {end_now, What}.

told(P, Ref) ->
    receive
        {trace, P, _, Info} -> [proplists:get_value(heap_block_size, Info) | told(P, Ref)];
        {trace_delivered, P, Ref} -> []
    end.

%% The first is when one began, the next when it ended.
resized([Same, Same | L]) -> resized(L);
resized([Before, After | L]) -> [{Before, After} | resized(L)];
resized([]) -> [].

worker(Root, What) ->
    Root ! {self(), ready},
    receive {begin_now, What} -> ok end,
    work(What),
    Root ! {self(), done},
    receive {end_now, What} -> ok end.

work(list) ->
    true = length(grow(20000)) > 0;
work(binary_list) ->
    L = [integer_to_list(N) || N <- grow(5000)],
    true = length(L) > 0;
work(garbage) ->
    [_ = lists:seq(1, 100) || _ <- grow(3000)];
work(up_and_down) ->
    [begin
         work(list),
         garbage_collect()
     end || _ <- [1, 2, 3]];
work(forced) ->
    L = grow(10000),
    erlang:garbage_collect(self(), [{type, minor}]),
    erlang:garbage_collect(self(), [{type, major}]),
    true = length(L) > 0;
%% More than a normal scheduler collects itself.
work(large) ->
    L = grow(400000),
    erlang:garbage_collect(),
    true = length(L) > 0,
    erlang:yield().

grow(N) -> grow(N, []).

grow(0, L) -> L;
grow(N, L) -> grow(N - 1, [N | L]).
