%% SPDX-License-Identifier: MIT
%% A secret in every place that a term has, and beside each something that is
%% none. What is planted holds the word `hunter` and digits; what must be seen
%% all the same holds `plain`.
-module(secrets).

-import(live, [own/1]).
-export([setup/1, run/1, sink/0, ends/1, stays/2]).
-record(account, {name, pin}).

setup(_) ->
    Sink = spawn(?MODULE, sink, []),
    own(Sink),
    {Sink, secret()}.

%% Made anew each time: not a literal.
secret() -> "hunter" ++ integer_to_list(100000 + rand:uniform(899999)).

run({Sink, S}) ->
    B = list_to_binary(S),
    Long = <<(binary:copy(<<"x">>, 60))/binary, B/binary>>,
    A = list_to_atom(S),
    [Sink ! M || M <-
        [{password, S}, {password, B}, {<<"Password">>, B}, {"db-password", B},
         #{password => B, user => <<"plain_1">>}, #{<<"password">> => [S, {B}]},
         [{user, <<"plain_2">>}, {password, B}], {get, plain_3, {conf, [{password, A}]}},
         maps:from_list([{password, B} | [{{plain_4, N}, N} || N <- lists:seq(1, 40)]]),
         #{'__struct__' => 'Elixir.Shop.User', pin => B, name => <<"plain_5">>},
         #account{name = <<"plain_6">>, pin = B}, {credentials, plain_7, B, S},
         <<"user plain_8, then ", B/binary>>, [<<"plain_9">>, S, B, A], A, {plain_10, A},
         #{B => plain_11}, #{S => plain_12}, #{A => plain_13}, [plain_14 | A], Long, {plain_15, Long},
         binary:part(<<"xx", B/binary, "yy">>, 2, byte_size(B)), lists:seq(1, 3) ++ [B],
         {plain_16, fun() -> B end}]],
    %% Arguments, exit reasons, names, labels.
    spawn(?MODULE, ends, [{shutdown, B}]),
    spawn(?MODULE, stays, [plain_17, B]),
    register(list_to_atom("worker_" ++ S), spawn(?MODULE, stays, [plain_18, {password, B}])),
    P = spawn(?MODULE, stays, [plain_19, x]),
    exit(P, {B, [{password, B}]}).

ends(Reason) -> exit(Reason).

stays(_, _) -> receive stop -> ok after 2000 -> ok end.

sink() -> receive _ -> sink() end.
