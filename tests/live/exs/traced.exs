# SPDX-License-Identifier: MIT
# An Elixir module whose functions are called in known numbers.
defmodule Demo.Cart do
  defstruct [:id, :items]
  def add(cart, item, n \\ 1), do: %{cart | items: [{item, n} | cart.items]}
  def total(%__MODULE__{items: items}), do: count(items, 0)
  defp count([], sum), do: sum
  defp count([{_, n} | rest], sum), do: count(rest, sum + n)
  def valid?(cart), do: is_list(cart.items)
end

[dir] = System.argv()
wait = fn wait, file ->
  unless File.exists?(Path.join(dir, file)) do
    Process.sleep(5)
    wait.(wait, file)
  end
end

File.write!(Path.join(dir, "ready"), "")
wait.(wait, "go")

cart = struct(Demo.Cart, id: "c-1", items: [])
cart = Enum.reduce([apple: 2, pear: 3], cart, fn {item, n}, c -> Demo.Cart.add(c, item, n) end)
cart = Demo.Cart.add(cart, "plum")
6 = Demo.Cart.total(cart)
true = Demo.Cart.valid?(cart)
File.write!(Path.join(dir, "truth"), "")
File.write!(Path.join(dir, "done"), "")
Process.sleep(:infinity)
