%% SPDX-License-Identifier: MIT
%% One message of every type of term, each with its own text as the truth.
-module(terms).

-import(live, [note/1, own/1]).
-export([setup/1, run/1, sink/0]).

setup(_) ->
    note({check, ['msg.send']}),
    Sink = spawn(?MODULE, sink, []),
    own(Sink),
    Tab = ets:new(a_table, [public]),
    persistent_term:put(terms_persistent, {kept, [for_all], #{k => <<"v">>}}),
    {Sink, Tab}.

run({Sink, Tab}) ->
    [begin
         Sink ! {Label, Term},
         note({send, self(), Sink, {Label, Term}})
     end || {Label, Term} <- whole(Tab)],
    %% Of these nothing is shared and all is on the heap: no word more or less is
    %% copied, whatever lies around them.
    [begin
         Sink ! {words, Term},
         note({send_words, self(), Sink, {words, Term}, erts_debug:flat_size({words, Term})})
     end || Term <- [[X || X <- lists:seq(1, N)] || N <- [1, 2, 15, 31, 32, 33, 100]] ++
                [[{X, [X, {X}]} || X <- lists:seq(1, N)] || N <- [1, 5, 6, 7, 30]] ++
                [list_to_tuple(lists:seq(1, N)) || N <- [1, 60, 61, 62, 63, 64, 200]] ++
                [{[{X}, X + 0.5] , [[X], X bsl 64]} || X <- [1, 2, 3]]],
    %% What is longer than what is copied: the text up to there is right.
    [begin
         Sink ! {Label, Term},
         note({send_cut, self(), Sink, {Label, Term}})
     end || {Label, Term} <- cut()].

sink() ->
    receive _ -> sink() end.

whole(Tab) ->
    Big = 1 bsl 60,
    Bytes = iolist_to_binary(lists:duplicate(20, "0123456789")),
    X = erlang:unique_integer([positive]),
    [{small, N} || N <- [0, 1, -1, 255, -256, 1 bsl 31, (1 bsl 59) - 1, -(1 bsl 59)]] ++
    [{big, N} || N <- [1 bsl 59, -(1 bsl 59) - 1, Big, -Big, 1 bsl 64, (1 bsl 64) - 1,
                       -(1 bsl 64), 1 bsl 200, -(1 bsl 333), 18446744073709551615 * 10 + 7]] ++
    [{float, F} || F <- [0.0, -0.0, 1.0, -1.5, 0.1, 1.0e22, 1.0e23, 1.0e-7, 123456789.125,
                         3.141592653589793, 1.7976931348623157e308, 5.0e-324, 2.2250738585072014e-308,
                         1.0e15, 1.0e16, 0.001, 0.0001, 100000.0 | large()]] ++
    [{atom, A} || A <- [a, ok, 'Quoted', 'with space', 'it\'s', '', '@at', 'a@b_1', 'émile', 'Élan',
                        'ÿ', 'λάμδα', '日本', 'new\nline', 'back\\slash', '1st', 'and', 'end',
                        'Elixir.Shop.Cart', [], {}, true, nil]] ++
    [{pid, P} || P <- [self(), whereis(init), external_pid()]] ++
    [{port, P} || P <- [hd(erlang:ports()), external_port()]] ++
    [{ref, R} || R <- [make_ref(), Tab, atomics:new(1, []), external_ref() | aliases()]] ++
    [{list, L} || L <- [[1], [1, 2, 3], [a | b], [1, 2 | 3], [[]], [[[]]], [[1], [2, [3]]], [a, [b], "c"],
                        [0], [1000], [256, 257], lists:seq(1, 40)]] ++
    [{string, S} || S <- ["a", "text", "with \"quotes\" and \\", "tab\tnew\nline", "caf\x{e9}", "\x{3bb}x",
                          "bell\x{7}", "escape\e[0m", [127], [128], [160], "del\d", "\b\f\v\0", "x\0"]] ++
    [{tuple, T} || T <- [{}, {1}, {a, b, c}, {{}, {{}}}, {a, {b, {c, {d}}}}, list_to_tuple(lists:seq(1, 20))]] ++
    [{map, M} || M <- [#{}, #{a => 1}, #{a => 1, b => 2, <<"c">> => "d", 4 => #{}}, #{[] => {}, 1.5 => x},
                       #{{k, 1} => [v]}, maps:from_list([{N, N} || N <- lists:seq(1, 32)])]] ++
    [{hashmap, M} || M <- [maps:from_list([{N, N * N} || N <- lists:seq(1, 40)]),
                           maps:from_list([{integer_to_binary(N), N} || N <- lists:seq(1, 35)]),
                           maps:from_list([{list_to_atom("key_" ++ integer_to_list(N)), N} || N <- lists:seq(1, 33)])]] ++
    [{binary, B} || B <- [<<>>, <<0>>, <<1, 2, 3>>, <<"text">>, <<"caf", 233>>, <<"café"/utf8>>, <<"café λ 日本"/utf8>>,
                          <<"quo\"te\\">>, <<"line\n">>, <<255, 254>>, <<213, 169, 248>>, <<248, 213, 169>>,
                          <<"printable", 0>>,
                          list_to_binary(lists:duplicate(64, $x)), % the longest on the heap
                          binary:part(Bytes, 5, 30), % of a larger one off it
                          binary:part(<<"small and inside">>, 6, 3)]] ++
    [{bits, B} || B <- [<<1:1>>, <<5:3>>, <<1, 2, 3:5>>, <<"abc", 1:4>>, part_bits(Bytes)]] ++
    [{function, F} || F <- [fun() -> X end, fun(A, B) -> {A, B, X, Tab} end, fun lists:map/2,
                            fun ?MODULE:run/1, fun erlang:'+'/2, fun sink/0]] ++
    [{literal, L} || L <- [{literal, [of_this, module], #{a => "b"}, <<"bytes">>, 1 bsl 70, 2.5},
                           persistent_term:get(terms_persistent)]] ++
    [{record, R} || R <- records(X)] ++
    [{nested, #{list => [{1, [#{x => {self(), [make_ref()]}}]}], "k" => <<"v">>, 1 => 1 bsl 65}}].

%% Native records, of fields in another order than that of their atoms too.
-if(?OTP_RELEASE >= 29).
-record #empty{}.
-record #point{x = 0, y = none}.
-record #'Odd name'{zzzz = 0, true = 1, aaaa = 2, 'w w' = 3}.

records(X) ->
    [#empty{}, #point{}, #point{x = X, y = <<"v">>}, #'Odd name'{},
     #'Odd name'{zzzz = [X], true = #point{x = {a, "b"}}, aaaa = 1 bsl 70},
     [#point{x = #empty{}}], #{k => #point{}}].
-else.
records(_) -> []. % there are none
-endif.

-if(?OTP_RELEASE >= 24).
aliases() -> [alias()].
large() -> [9007199254740993.0].
-else.
aliases() -> [].
large() -> []. % written another way then
-endif.

part_bits(Bytes) ->
    <<_:3, Part:21/bitstring, _/bitstring>> = Bytes,
    Part.

cut() ->
    [{long_list, lists:seq(1, 5000)},
     {long_binary, iolist_to_binary(lists:duplicate(1000, "0123456789"))},
     {deep, lists:foldl(fun(N, Acc) -> {N, Acc} end, [], lists:seq(1, 3000))},
     {wide, list_to_tuple(lists:seq(1, 4000))},
     {large_map, maps:from_list([{N, N} || N <- lists:seq(1, 3000)])}].

%% Of another node: as they come from distribution.
external_pid() ->
    binary_to_term(<<131, $X, (node_ext())/binary, 77:32, 3:32, 5:32>>).

-if(?OTP_RELEASE >= 24).
external_port() ->
    binary_to_term(<<131, $x, (node_ext())/binary, 0:32, 9:32, 5:32>>).
-else.
external_port() ->
    binary_to_term(<<131, $Y, (node_ext())/binary, 9:32, 5:32>>).
-endif.

external_ref() ->
    binary_to_term(<<131, $Z, 3:16, (node_ext())/binary, 5:32, 1111:32, 2222:32, 3333:32>>).

node_ext() ->
    Name = <<"other@somewhere">>,
    <<119, (byte_size(Name)), Name/binary>>.
