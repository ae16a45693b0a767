%% SPDX-License-Identifier: MIT
%% ETS: every operation, those that take so long that they let others run, others
%% that meet them, and many.
-module(tables).
-compile(nowarn_deprecated_catch).

-import(live, [note/1, own/1]).
-export([setup/1, run/1]).
-export([reader/4]).

-define(MANY, 50000).
-define(LARGE, 200000).

setup(_) ->
    note({check, ['ets.new', 'ets.delete_table', 'ets.lookup', 'ets.insert',
                  'ets.delete', 'ets.update', 'ets.select']}),
    %% The truth is in a table itself.
    note({'maybe', 'ets.insert', any, truth, <<"">>}),
    [].

run(_) ->
    operations(),
    calls(),
    long(set),
    long(ordered_set),
    busy(),
    many().

event(Kind, T, Op) -> event(Kind, T, Op, []).
event(Kind, T, Op, More) -> note({event, Kind, self(), [{table, T}, {op, Op} | More]}).

new(Name, Opts) ->
    T = ets:new(Name, Opts),
    event('ets.new', T, <<"new/2">>, [{table_name, Name}]),
    T.

operations() ->
    T = new('a table', [public, ordered_set]),
    N = new(a_name, [named_table]),
    true = ets:insert(T, {key, 1}),
    event('ets.insert', T, <<"insert/2">>),
    true = ets:insert(N, [{a, 1}, {b, 2}, {{c}, 3}]),
    event('ets.insert', N, <<"insert/2">>, [{objects, 3}]),
    true = ets:insert_new(T, {other, 2}),
    event('ets.insert', T, <<"insert_new/2">>),
    [{key, 1}] = ets:lookup(T, key),
    event('ets.lookup', T, <<"lookup/2">>, [{key, key}]),
    3 = ets:lookup_element(N, {c}, 2),
    event('ets.lookup', N, <<"lookup_element/3">>, [{key, <<"{c}">>}]),
    true = ets:member(N, b),
    event('ets.lookup', N, <<"member/2">>, [{key, b}]),
    _ = ets:first(T), event('ets.lookup', T, <<"first/1">>),
    _ = ets:last(T), event('ets.lookup', T, <<"last/1">>),
    _ = ets:next(T, key), event('ets.lookup', T, <<"next/2">>, [{key, key}]),
    _ = ets:prev(T, key), event('ets.lookup', T, <<"prev/2">>, [{key, key}]),
    _ = ets:slot(T, 0), event('ets.lookup', T, <<"slot/2">>),
    _ = ets:whereis(a_name), event('ets.lookup', a_name, <<"whereis/1">>),
    _ = ets:info(T), event('ets.lookup', T, <<"info/1">>),
    _ = ets:info(T, size), event('ets.lookup', T, <<"info/2">>),
    5 = ets:update_counter(N, a, 4),
    event('ets.update', N, <<"update_counter/3">>, [{key, a}]),
    1 = ets:update_counter(N, z, 1, {z, 0}),
    event('ets.update', N, <<"update_counter/4">>, [{key, z}]),
    true = ets:update_element(N, a, {2, x}),
    event('ets.update', N, <<"update_element/3">>, [{key, a}]),
    [{z, 1}] = ets:take(N, z),
    event('ets.delete', N, <<"take/2">>, [{key, z}]),
    true = ets:delete(N, b),
    event('ets.delete', N, <<"delete/2">>, [{key, b}]),
    true = ets:delete_object(N, {a, x}),
    event('ets.delete', N, <<"delete_object/2">>),
    true = ets:setopts(T, {heir, none}),
    event('ets.update', T, <<"setopts/2">>),
    true = ets:safe_fixtable(T, true),
    event('ets.update', T, <<"safe_fixtable/2">>),
    Spec = [{'_', [], ['$_']}],
    _ = ets:select(T, Spec), event('ets.select', T, <<"select/2">>),
    {_, C1} = ets:select(T, Spec, 1), event('ets.select', T, <<"select/3">>),
    _ = ets:select(C1), note({event, 'ets.select', self(), [{op, <<"select/1">>}]}),
    _ = ets:select_reverse(T, Spec), event('ets.select', T, <<"select_reverse/2">>),
    {_, C2} = ets:select_reverse(T, Spec, 1), event('ets.select', T, <<"select_reverse/3">>),
    _ = ets:select_reverse(C2), note({event, 'ets.select', self(), [{op, <<"select_reverse/1">>}]}),
    _ = ets:select_count(T, [{'_', [], [true]}]), event('ets.select', T, <<"select_count/2">>),
    _ = ets:select_replace(T, [{{'$1', '$2'}, [], [{{'$1', '$2'}}]}]),
    event('ets.select', T, <<"select_replace/2">>),
    _ = ets:match(T, '$1'), event('ets.select', T, <<"match/2">>),
    {_, C3} = ets:match(T, '$1', 1), event('ets.select', T, <<"match/3">>),
    _ = ets:match(C3), note({event, 'ets.select', self(), [{op, <<"match/1">>}]}),
    _ = ets:match_object(T, '_'), event('ets.select', T, <<"match_object/2">>),
    {_, C4} = ets:match_object(T, '_', 1), event('ets.select', T, <<"match_object/3">>),
    _ = ets:match_object(C4), note({event, 'ets.select', self(), [{op, <<"match_object/1">>}]}),
    1 = ets:select_delete(T, [{{key, '_'}, [], [true]}]),
    event('ets.delete', T, <<"internal_select_delete/2">>),
    true = ets:delete_all_objects(T),
    event('ets.delete', T, <<"internal_delete_all/2">>),
    b_name = ets:rename(N, b_name), event('ets.update', N, <<"rename/2">>),
    gone(T), gone(b_name),
    %% What fails was called.
    {'EXIT', _} = (catch ets:lookup(T, key)),
    event('ets.lookup', T, <<"lookup/2">>, [{key, key}]).

gone(T) ->
    true = ets:delete(T),
    event('ets.delete_table', T, <<"delete/1">>).

%% Not by compiled calls.
calls() ->
    T = new(called, []),
    F = fun ets:insert/2,
    [begin
         true = F(T, {N, N}),
         event('ets.insert', T, <<"insert/2">>),
         [{N, N}] = apply(ets, lookup, [T, N]),
         event('ets.lookup', T, <<"lookup/2">>, [{key, N}])
     end || N <- lists:seq(1, 50)],
    gone(T).

%% Each call is one, however often it was interrupted; and so are those after it.
long(Type) ->
    T = new(large, [public, Type]),
    true = ets:insert(T, [{N, N} || N <- lists:seq(1, ?LARGE)]),
    event('ets.insert', T, <<"insert/2">>),
    [begin
         ?LARGE = length(ets:select(T, [{'_', [], ['$_']}])),
         event('ets.select', T, <<"select/2">>),
         ?LARGE = ets:select_count(T, [{'_', [], [true]}]),
         event('ets.select', T, <<"select_count/2">>),
         ?LARGE = length(apply(ets, match, [T, '$1'])),
         event('ets.select', T, <<"match/2">>),
         [{1, 1}] = apply(ets, lookup, [T, 1]),
         event('ets.lookup', T, <<"lookup/2">>, [{key, 1}])
     end || _ <- [1, 2, 3]],
    {_, C} = ets:select(T, [{{'$1', '$1'}, [{'>', '$1', ?LARGE - 10}], ['$1']}], 5),
    event('ets.select', T, <<"select/3">>),
    _ = ets:select(C),
    note({event, 'ets.select', self(), [{op, <<"select/1">>}]}),
    true = ets:delete_all_objects(T),
    event('ets.delete', T, <<"internal_delete_all/2">>),
    gone(T).

%% One reads while another's insertion is not complete.
busy() ->
    T = new(shared, [public]),
    true = ets:insert(T, {stop, false}),
    event('ets.insert', T, <<"insert/2">>),
    Pid = spawn(?MODULE, reader, [T, self(), 0, 0]),
    own(Pid),
    [begin
         true = ets:insert(T, [{{R, N}, N} || N <- lists:seq(1, ?LARGE)]),
         event('ets.insert', T, <<"insert/2">>)
     end || R <- [1, 2]],
    true = ets:insert(T, {stop, true}),
    event('ets.insert', T, <<"insert/2">>),
    receive
        {Pid, Lookups, Members} ->
            note({events, Lookups, 'ets.lookup', Pid,
                  [{table, T}, {op, <<"lookup/2">>}, {key, stop}]}),
            note({events, Members, 'ets.lookup', Pid,
                  [{table, T}, {op, <<"member/2">>}, {key, Pid}]})
    end,
    live:wait_for(Pid),
    gone(T).

reader(T, To, Lookups, Members) ->
    false = apply(ets, member, [T, self()]),
    case ets:lookup(T, stop) of
        [{stop, true}] -> To ! {self(), Lookups + 1, Members + 1};
        _ -> reader(T, To, Lookups + 1, Members + 1)
    end.

many() ->
    T = new(many, [public]),
    Begin = erlang:monotonic_time(nanosecond),
    many(T, ?MANY),
    Ns = erlang:monotonic_time(nanosecond) - Begin,
    note({events, ?MANY, 'ets.insert', self(), [{table, T}, {op, <<"insert/2">>}]}),
    note({events, ?MANY, 'ets.lookup', self(), [{table, T}, {op, <<"lookup/2">>}, {key, key}]}),
    note({rate, operations, 2 * ?MANY, Ns}),
    gone(T).

many(_, 0) -> ok;
many(T, N) ->
    true = ets:insert(T, {key, N}),
    [{key, N}] = ets:lookup(T, key),
    many(T, N - 1).
