%% SPDX-License-Identifier: MIT
%% A shop to look at: customers come and go, each with a cart of its own; all
%% carts draw on one stock and pay at one till, which breaks now and then and
%% is started again.
%%
%%   shop_sup
%%     shop_stock      gen_server: what is left of each article
%%     shop_till       gen_server: takes money, jams on some payments
%%     shop_carts      supervisor of the carts (simple_one_for_one)
%%     shop_street     spawns a customer every so often
-module(shop).
-behaviour(supervisor).

-export([start/0, start/1, init/1]).

start() ->
    start([50]).

%% Every_ms: milliseconds between two customers.
start([Every_ms]) when is_integer(Every_ms) ->
    {ok, Sup} = supervisor:start_link({local, shop_sup}, ?MODULE, {shop, Every_ms}),
    unlink(Sup),
    {ok, Sup}.

init({shop, Every_ms}) ->
    Flags = #{strategy => one_for_one, intensity => 1000, period => 1},
    {ok, {Flags, [
        #{id => stock, start => {shop_stock, start_link, []}},
        #{id => till, start => {shop_till, start_link, []}},
        #{id => carts, type => supervisor,
          start => {supervisor, start_link, [{local, shop_carts}, ?MODULE, carts]}},
        #{id => street, start => {shop_street, start_link, [Every_ms]}}]}};
init(carts) ->
    Flags = #{strategy => simple_one_for_one, intensity => 1000, period => 1},
    {ok, {Flags, [#{id => cart, start => {shop_cart, start_link, []},
                    restart => temporary}]}}.
