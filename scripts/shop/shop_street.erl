%% SPDX-License-Identifier: MIT
%% Where customers come from.
-module(shop_street).

-export([start_link/1, init/1, customer/1]).

start_link(Every_ms) ->
    proc_lib:start_link(?MODULE, init, [Every_ms]).

init(Every_ms) ->
    register(?MODULE, self()),
    proc_lib:init_ack({ok, self()}),
    loop(Every_ms, 1).

loop(Every_ms, N) ->
    spawn(?MODULE, customer, [N]),
    receive after Every_ms -> loop(Every_ms, N + 1) end.

%% The hundredth one forgets the purse.
customer(N) ->
    {ok, Cart} = supervisor:start_child(shop_carts, [self()]),
    Articles = shop_stock:articles(),
    [shop_cart:add(Cart, lists:nth(1 + (N + I) rem length(Articles), Articles), I)
     || I <- lists:seq(1, 1 + N rem 4)],
    receive after 20 -> ok end,
    {_Lines, Sum} = shop_cart:look(Cart),
    N rem 100 =/= 0 orelse exit({no_money, Sum}),
    _ = shop_till:pay(Sum),
    shop_cart:drop(Cart).
