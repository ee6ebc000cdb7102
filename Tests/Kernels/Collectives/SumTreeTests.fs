module CnnCluster.Tests.Kernels.Collectives.SumTreeTests

open System
open Expecto
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Comparisons

/// How a tree adds its leaves, as text: that of (0+1)+2 is "((0+1)+2)".
let rec private shape (leaves: string list) =
    match leaves with
    | [ leaf ] -> leaf
    | _ ->
        let half =
            Seq.initInfinite (pown 2)
            |> Seq.takeWhile (fun p -> p < leaves.Length)
            |> Seq.last

        let first, rest = List.splitAt half leaves
        $"({shape first}+{shape rest})"

let private shapeOf (from, until) =
    shape [ for leaf in from .. until - 1 -> string leaf ]

let private ranges leaves =
    [ for from in 0..leaves do
          for until in from..leaves -> LeafRange(from, until) ]

/// What the buffers hold after the steps.
let private run (steps: TreeStep seq) =
    let buffers = Array.create 16 ""

    for step in steps do
        buffers[step.Buffer] <-
            if step.Leaf.HasValue then
                string step.Leaf.Value
            else
                $"({buffers[step.Buffer]}+{buffers[step.Buffer + 1]})"

    buffers

/// The tree's own text, with its nodes' texts put together by the rule above the nodes.
let private joined leaves (cuts: LeafRange list) =
    let nodes =
        [ for cut in cuts do
              yield! SumTree.Nodes(cut, leaves) ]

    let rec text from until =
        match nodes |> List.tryFind (fun n -> n.From = from && n.To = until) with
        | Some node -> shapeOf (node.From, node.To)
        | None ->
            let middle = from + SumTree.FirstBranch(until - from)
            $"({text from middle}+{text middle until})"

    text 0 leaves

[<Tests>]
let tests =
    testList
        "Kernels.SumTree"
        [ test "a range's nodes are its leaves in order, and few" {
              for leaves in 1..64 do
                  for range in ranges leaves do
                      let nodes = SumTree.Nodes(range, leaves)

                      let held =
                          [ for node in nodes do
                                yield! [ node.From .. node.To - 1 ] ]

                      Expect.equal held [ range.From .. range.To - 1 ] $"{range} of {leaves}"

                      let most = max 1 (2 * int (ceil (Math.Log2(float leaves))))
                      Expect.isLessThanOrEqual nodes.Count most $"nodes of {range} of {leaves}"
          }
          test "however the leaves are cut, their nodes add up along the one tree" {
              for leaves in [ 1..20 ] @ [ 31; 32; 33; 64 ] do
                  let whole = shapeOf (0, leaves)

                  for cut in 0..leaves do
                      for second in cut..leaves do
                          let cuts = [ LeafRange(0, cut); LeafRange(cut, second); LeafRange(second, leaves) ]
                          Expect.equal (joined leaves cuts) whole $"{leaves} leaves cut at {cut} and {second}"
          }
          test "the steps make every leaf once, in order, and leave the nodes' sums in the first buffers" {
              for leaves in 1..64 do
                  for range in ranges leaves do
                      let steps = SumTree.Steps(range, leaves)

                      let made =
                          [ for step in steps do
                                if step.Leaf.HasValue then step.Leaf.Value ]

                      Expect.equal made [ range.From .. range.To - 1 ] "the leaves"
                      let buffers = run steps

                      for i, node in Seq.indexed (SumTree.Nodes(range, leaves)) do
                          Expect.equal buffers[i] (shapeOf (node.From, node.To)) $"node {i} of {range} of {leaves}"
          }
          test "a worker that holds all of 64 leaves needs seven buffers" {
              let steps = SumTree.Steps(LeafRange(0, 64), 64)
              Expect.equal (steps |> Seq.map _.Buffer |> Seq.max) 6 "log2 64, and one"
          }
          test "leaves that the tree does not have are refused" {
              for from, until in [ 3, 2; -1, 2; 0, 6 ] do
                  Expect.throwsT<ArgumentOutOfRangeException>
                      (fun () -> SumTree.Nodes(LeafRange(from, until), 5) |> ignore)
                      $"{from} to {until} of 5"
          } ]
