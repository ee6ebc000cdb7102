module CnnCluster.Tests.Dsl.DrawingTests

open System
open System.IO
open System.Text.RegularExpressions
open System.Xml.Linq
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Dsl.SvgReading

let private whole = Nullable<int>()

let private svg depth plan =
    XDocument.Parse(NetworkDrawing.svg depth plan)

// ---- networks ----

let private block =
    "block residual(f, s = 1) { add { conv f 3x3 stride=s pad=1; batchnorm relu; conv f 3x3 pad=1; batchnorm } { if s > 1 { conv f 1x1 stride=s; batchnorm } } relu }\n"

let private grow =
    "block grow(r) { concat here { batchnorm relu; conv r*4 1x1; batchnorm relu; conv r 3x3 pad=1 } }\n"

let private cell =
    "block cbr(f, k) { conv f [k k] pad=same; batchnorm relu }\nblock cell(f) { concat { cbr f 1 } { cbr f 1; cbr f 3 } { cbr f 1; cbr f 5 } { maxpool 3x3 stride=1 pad=1; cbr f 1 } }\n"

let private network body = "network N {\n" + body + "\n}"

let private example name =
    File.ReadAllText(Repository.file $"Tests/Dsl/Drawings/{name}.cnn")

let private sharing =
    "shared tower { conv 4 3 pad=same relu; batchnorm }\nblock cell(n) { conv n 3 pad=same; add here { tower }; conv n 1 }\n"
    + network "input 8x8x4\ncell 4\ncell 4\ntower\nflatten\ndense 2"

let private networks =
    [ "a chain", lenet
      "a long chain",
      network
          "input 224x224x3\nrepeat f, n in [64 2; 128 2; 256 3; 512 3; 512 3] { repeat n { conv f 3x3 pad=same; batchnorm relu }; maxpool 2x2 }\nflatten\nrepeat 2 { dense 4096 relu; dropout 0.5 }\ndense 1000"
      "a chain of blocks",
      "block two(f) { conv f 3 relu; conv f 3 relu }\n"
      + network "input 32x32x3\ntwo 8\ntwo 16\nflatten"
      "open sides", network "input ?x?x3\nconv 8 3x3 pad=same relu\nmaxpool 2\nconv 2 1x1"
      "one side", network "input 100x4\nconv 8 5 relu\nmaxpool 2\nflatten\ndense 3"
      "three sides", network "input 8x16x16x1\nconv 8 3 relu\nmaxpool 2\nconv 2 1"
      "vectors", network "input 5\ndense 7 relu\nrelu6\ndense 2"
      "one layer", network "input 5x5x1\nrelu"
      "a value added to itself", network "input 5x5x1 as a\nadd a a\nrelu"
      "residual blocks",
      block
      + network "input 32x32x8\nrepeat f, s in [8 1; 16 2; 16 1; 32 2] { residual f s }\nmaxpool 2"
      "dense blocks",
      grow
      + network "input 32x32x8\nrepeat 20 { grow 4 }\nmaxpool 2\nrepeat 20 { grow 4 }\nflatten"
      "blocks in blocks",
      cell
      + network "input 32x32x8\nrepeat 3 { cell 4 }\nmaxpool 2\nrepeat 3 { cell 8 }"
      "long skips",
      network
          "input 64x64x1\nconv 8 3x3 pad=same relu as a\nmaxpool 2\nconv 16 3x3 pad=same relu as b\nmaxpool 2\nconv 32 3x3 pad=same relu as c\nconv 32 1x1\nconcat c here\nconv 16 1x1\nconcat { from b; maxpool 2 } here\nconv 8 1x1\nconcat { from a; maxpool 4 } here\nconv 2 1x1"
      "a shared set in blocks", sharing
      "shared sets, several inputs and outputs", example "pair" ]

// ---- the tests ----

/// Set to 1, makes today's drawings the expected ones.
let private accepting = Environment.GetEnvironmentVariable "CNN_ACCEPT" = "1"

let private isExpected name (drawn: string) =
    let path = Repository.file name
    if accepting then File.WriteAllText(path, drawn)
    Expect.equal drawn (File.ReadAllText path) $"{name}; CNN_ACCEPT=1 accepts what is drawn now"

[<Tests>]
let golden =
    testList
        "Dsl.Drawing golden"
        [ test "residual blocks: a frame each, with a skip beside the layers" {
              isExpected "Tests/Dsl/Drawings/residual.svg" (NetworkDrawing.svg whole (plan (example "residual")))
          }
          test "residual blocks as text for Graphviz" {
              isExpected "Tests/Dsl/Drawings/residual.dot" (NetworkDrawing.dot whole (plan (example "residual")))
          }
          test "a shared set, three inputs and two outputs as text for Graphviz" {
              isExpected "Tests/Dsl/Drawings/pair.dot" (NetworkDrawing.dot whole (plan (example "pair")))
          }
          test "the documentation's picture of a shared set is what the command draws" {
              isExpected "docs/images/pair.svg" (NetworkDrawing.svg whole (plan (example "pair")))
          }
          test "the documentation's picture of LeNet-5 is what the command draws" {
              isExpected "docs/images/lenet5.svg" (NetworkDrawing.svg whole (plan lenet))
          } ]

let private insideOf (document: XDocument) =
    let view = numbers (attribute "viewBox" document.Root)

    for element in document.Descendants() do
        let dx, dy = offset element

        for x, y in places element do
            let x, y = x + dx, y + dy
            Expect.isTrue (Double.IsFinite x && Double.IsFinite y) $"{element}"
            Expect.isTrue (x >= 0.0 && x <= view[2] && y >= 0.0 && y <= view[3]) $"{x}, {y} of {view}: {element}"

/// Whether a box lies within another.
let private holds outer inner =
    outer.Left <= inner.Left
    && inner.Right <= outer.Right
    && outer.Top <= inner.Top
    && inner.Bottom <= outer.Bottom

let private boxesOf document =
    groups "layer" document @ groups "input" document @ groups "output" document
    |> List.choose boxOf

/// Edges keep out of boxes: their vertical stretches at least, and these are all that pass through layers.
let private crossed document =
    let boxes = boxesOf document

    [ for path in document.Descendants() do
          if local path = "path" then
              for kind, (x, from), (_, into) in steps path do
                  if kind = "V" then
                      let stretch =
                          { Left = x - 0.2
                            Right = x + 0.2
                            Top = min from into
                            Bottom = max from into }

                      for box in boxes do
                          if overlap stretch box then stretch, box ]

[<Tests>]
let svgTests =
    testList
        "Dsl.Drawing svg"
        [ for name, script in networks do
              test $"{name}: every layer is drawn once, under its name" {
                  let plan = plan script
                  let drawn = groups "layer" (svg whole plan) |> List.map titleOf

                  let expected =
                      [ for node in plan.Nodes -> $"{node.Path}: {Shape.text node.Layer.Output}" ]

                  Expect.equal (List.sort drawn) (List.sort expected) "layers"
              }

              test $"{name}: boxes do not overlap, and all is inside the picture" {
                  let document = svg whole (plan script)
                  let boxes = boxesOf document
                  Expect.isNonEmpty boxes "boxes"
                  Expect.isEmpty (pairs boxes |> List.filter (fun (a, b) -> overlap a b)) "overlaps"
                  insideOf document
              }

              test $"{name}: no edge runs through a box" { Expect.isEmpty (crossed (svg whole (plan script))) "edges" }

              test $"{name}: it is drawn the same again" {
                  Expect.equal (NetworkDrawing.svg whole (plan script)) (NetworkDrawing.svg whole (plan script)) "text"
              }
          test "frames of blocks lie beside one another or within one another" {
              for name, script in networks do
                  let frames =
                      groups "block" (svg whole (plan script))
                      |> List.map (fun frame -> titleOf frame, (boxOf frame).Value)

                  for (a, boxA), (b, boxB) in pairs frames do
                      if not (b.StartsWith(a + "/") || holds boxA boxB) then
                          Expect.isFalse (overlap boxA boxB) $"{name}: {a} and {b}"
          }
          test "a use of a shared set has its frame within that of the block that uses it, which is one" {
              let frames = groups "block" (svg whole (plan sharing))

              let box name =
                  frames |> List.find (fun frame -> titleOf frame = name) |> boxOf |> Option.get

              Expect.equal
                  (frames |> List.map titleOf |> List.sort)
                  [ "cell1"; "cell2"; "tower"; "tower@2: weights of tower"; "tower@3: weights of tower" ]
                  "a frame for each use"

              Expect.isTrue (holds (box "cell1") (box "tower")) "the first use"
              Expect.isTrue (holds (box "cell2") (box "tower@2: weights of tower")) "the second use"
          }
          test "an arrow for each value that a box reads, and it ends on the box" {
              let plan = plan (example "pair")
              let document = svg whole plan
              let tops = boxesOf document |> List.map _.Top |> Set.ofList

              let heads =
                  [ for element in document.Descendants() do
                        if local element = "polygon" then numbers (attribute "points" element) ]

              let reads = plan.Nodes |> List.sumBy _.Inputs.Length
              Expect.equal heads.Length (reads + plan.Outputs.Length) "arrows"

              for head in heads do
                  Expect.isTrue (tops |> Set.exists (fun top -> abs (top - head[1]) < 0.02)) $"{head}"
          }
          test "depth 1 draws a block's use as one box" {
              let drawn =
                  groups "layer" (svg (Nullable 1) (plan (example "residual")))
                  |> List.map titleOf

              Expect.equal
                  drawn
                  [ "residual1: 8x8x4"; "residual2: 8x8x4"; "maxpool1: 4x4x4"; "flatten1: 64"; "dense1: 10" ]
                  "boxes"
          }
          test "a network's name is text, whatever is in it" {
              let name = "A \"b\" <c> & 'd' \\ é"
              let document = svg whole { plan lenet with Name = name }
              Expect.equal (document.Root.Elements() |> Seq.head |> _.Value) name "title"
          }
          test "a network without layers shows its input" {
              let empty =
                  { plan (network "input 5x?x2\nrelu") with
                      Nodes = []
                      Outputs =
                          [ { Name = "output"
                              Source = FromInput 0 } ] }

              let document = svg whole empty
              Expect.equal (groups "input" document |> List.map titleOf) [ "input: 5x?x2" ] "input"
              insideOf document
          }
          test "windows are drawn where a layer slides one" {
              Expect.equal (groups "window" (svg whole (plan lenet))).Length 4 "two convolutions, two poolings"
          } ]

// ---- DOT ----

let private statements pattern (text: string) =
    [ for line in text.Split '\n' do
          let found = Regex.Match(line, pattern)

          if found.Success then
              [ for group in Seq.skip 1 found.Groups -> group.Value ] ]

let private nodesOf =
    statements @"^\s*((?:input|part|output)\d+) \[label=""((?:[^""\\]|\\.)*)"""

let private edgesOf = statements @"^\s*(\w+) -> (\w+) \[label=""([^""]*)""\];$"

[<Tests>]
let dotTests =
    testList
        "Dsl.Drawing dot"
        [ for name, script in networks do
              test $"{name}: a node for each layer, an edge for each value that it reads" {
                  let plan = plan script
                  let text = NetworkDrawing.dot whole plan
                  let nodes, edges = nodesOf text, edgesOf text
                  let outputs = if plan.Outputs.Length > 1 then plan.Outputs.Length else 0
                  Expect.equal nodes.Length (plan.Inputs.Length + plan.Nodes.Length + outputs) "nodes"

                  let reads =
                      plan.Nodes |> List.sumBy (fun node -> (List.distinct node.Inputs).Length)

                  Expect.equal edges.Length (reads + outputs) "edges"
                  let known = nodes |> List.map List.head |> Set.ofList
                  Expect.equal known.Count nodes.Length "names"

                  for edge in edges do
                      Expect.isTrue (known.Contains edge[0] && known.Contains edge[1]) $"{edge}"

                  let count (letter: char) =
                      text |> Seq.filter ((=) letter) |> Seq.length

                  Expect.equal (count '{') (count '}') "braces"
              }
          test "quotes and backslashes are escaped" {
              let text = NetworkDrawing.dot whole { plan lenet with Name = "a\"b\\c" }
              Expect.stringStarts text "digraph \"a\\\"b\\\\c\" {" "name"
          } ]
