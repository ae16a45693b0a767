# SPDX-License-Identifier: MIT
# Terms as Elixir has them, each with its own text as the truth: a workload for
# tests/live/run in the manner of erl/live.erl.
#
#   elixir structs.exs DIR

defmodule Shop.Item do
  defstruct name: nil, qty: 1, tags: []
end

defmodule Shop.Cart do
  defstruct [:owner, items: %{}, note: "none"]
end

defmodule Structs do
  def main([dir]) do
    sink = spawn(&sink/0)
    pairs = for {label, term} <- terms(), do: {label, term}
    flag(dir, "ready")
    poll(fn -> match?({:ok, _}, :prim_file.read_file_info(Path.join(dir, "go"))) end)
    me = self()

    root =
      spawn(fn ->
        for pair <- pairs, do: send(sink, pair)
        send(sink, {:last, self()})
        send(me, :done)
      end)

    receive do: (:done -> :ok)

    facts =
      for pair <- pairs ++ [{:last, root}] do
        ~s({"t":"send","from":#{id(root)},"to":#{id(sink)},"msg":#{json(text(pair))}}\n)
      end

    File.write!(Path.join(dir, "truth"), [
      ~s({"t":"check","kinds":["msg.send"]}\n),
      ~s({"t":"own","pid":#{id(sink)}}\n),
      # What the root tells us is not its truth.
      ~s({"t":"own","pid":#{id(root)}}\n),
      ~s({"t":"send","from":#{id(root)},"to":#{id(me)},"msg":":done"}\n),
      ~s({"t":"maybe","kind":"msg.send","pid":"any","other":#{id(root)},"re":"."}\n),
      facts
    ])

    flag(dir, "done")
    receive do: (:never -> :ok)
  end

  defp sink, do: receive(do: (_ -> sink()))

  defp terms do
    [
      atom: :ok,
      atom: nil,
      atom: true,
      atom: :"with space",
      atom: :a?,
      atom: :b!,
      atom: :Upper,
      atom: :émile,
      atom: :+,
      module: Shop.Cart,
      module: String,
      module: :erlang,
      string: "text",
      string: "",
      string: "café λ 日本",
      string: "quo\"te \\ \#{x} tab\t newline\n",
      binary: <<255, 0, 1>>,
      binary: <<1::1>>,
      binary: <<5::3, 1::7>>,
      charlist: 'charlist',
      charlist: 'with \' and " and \\',
      list: [1, 2, 3],
      list: [],
      list: [97],
      list: [0, 1],
      improper: [1 | 2],
      keyword: [a: 1, b: "x", c: :d],
      keyword: [{:"odd key", 1}, {:Upper, 2}],
      not_keyword: [{:a, 1}, {"b", 2}],
      tuple: {},
      tuple: {:ok, 1, 2.5},
      float: 1.0,
      float: 1.0e30,
      float: 0.1,
      int: 123_456_789_012_345_678_901_234_567_890,
      map: %{},
      map: %{a: 1, b: %{c: 2}},
      map: %{"a" => 1, 2 => :b},
      map: %{:a => 1, "b" => 2},
      map: Map.new(1..40, &{&1, &1 * &1}),
      struct: %Shop.Item{name: "tea"},
      struct: %Shop.Item{name: 'charlist', qty: 2, tags: [:hot, :green]},
      struct: %Shop.Cart{owner: self(), items: %{1 => %Shop.Item{name: "bread"}}},
      date: ~D[2024-02-29],
      datetime: ~U[2024-02-29 12:34:56.789Z],
      range: 1..10,
      range: 1..10//3,
      mapset: MapSet.new([1, :b, "c"]),
      pid: self(),
      ref: make_ref(),
      port: hd(Port.list()),
      function: &String.upcase/1,
      function: &:lists.map/2,
      exception: %RuntimeError{message: "oops"},
      exception: %ArgumentError{message: "bad"}
    ]
  end

  defp text(term) do
    inspect(term, limit: :infinity, printable_limit: :infinity, width: :infinity)
  end

  defp id(pid), do: json(List.to_string(:erlang.pid_to_list(pid)))

  defp json(text) do
    escaped =
      for c <- String.to_charlist(text), into: "" do
        cond do
          c in [?", ?\\] -> <<?\\, c>>
          c < 32 -> :io_lib.format("\\u~4.16.0b", [c]) |> IO.chardata_to_string()
          true -> <<c::utf8>>
        end
      end

    ~s("#{escaped}")
  end

  defp flag(dir, name), do: File.write!(Path.join(dir, name), "")

  defp poll(done) do
    unless done.() do
      receive do
      after
        5 -> poll(done)
      end
    end
  end
end

Structs.main(System.argv())
