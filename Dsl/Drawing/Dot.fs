/// A network as text for Graphviz (the DOT language, graphviz.org/doc/info/lang.html).
module internal CnnCluster.Dsl.Drawing.Dot

open CnnCluster.Dsl
open CnnCluster.Dsl.Drawing.Labels
open CnnCluster.Dsl.Drawing.Nest

/// A string in quotes. A backslash would begin an escape of labels, and so is doubled.
let private quoted (text: string) =
    "\""
    + text.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n")
    + "\""

let private identifier =
    function
    | InputVertex i -> $"input{i + 1}"
    | PartVertex i -> $"part{i + 1}"
    | OutputVertex i -> $"output{i + 1}"

let private partLabel (part: Part) =
    [ part.Path
      if not part.IsFolded then text part.Nodes.Head
      Shape.text part.Output
      match sharing part with
      | Some owner -> owner
      | None -> ()
      if isFrozen part then "not trained" ]
    |> String.concat "\n"

let private attributes pairs =
    pairs
    |> List.map (fun (key, value) -> $"{key}={quoted value}")
    |> String.concat " "

/// A statement: what it is about, and its attributes.
let private statement indent subject pairs =
    $"{indent}{subject} [{attributes pairs}];"

let private vertex (diagram: Diagram) indent item =
    let plan = diagram.Folding.Plan

    let pairs =
        match item with
        | InputVertex i ->
            [ "label", $"{plan.Inputs[i].Name}\n{Shape.text plan.Inputs[i].Shape}"
              "shape", "oval"
              "fillcolor", Palette.input ]
        | OutputVertex i -> [ "label", plan.Outputs[i].Name; "shape", "oval"; "fillcolor", Palette.input ]
        | PartVertex i ->
            let part = diagram.Folding.Parts[i]

            [ "label", partLabel part
              "fillcolor", Palette.fill (familyOf diagram.Folding part)
              if part.IsShared then "style", "filled,rounded,dashed" ]

    statement indent (identifier item) pairs

let rec private item (diagram: Diagram) (indent: string) =
    function
    | Leaf leaf -> [ vertex diagram indent leaf ]
    | Group(using, items) ->
        let name, label = quoted ("cluster_" + using.Path), quoted (groupName using)

        [ $"{indent}subgraph {name} {{"
          $"{indent}  label={label};"
          yield! items |> List.collect (item diagram (indent + "  "))
          $"{indent}}}" ]

let private edge (edge: Edge) =
    statement "  " $"{identifier edge.From} -> {identifier edge.To}" [ "label", Shape.text edge.Shape ]

let private settings (plan: NetworkPlan) =
    [ statement
          "  "
          "graph"
          [ "label", $"{plan.Name}: {summary plan}"
            "labelloc", "t"
            "fontname", "Helvetica"
            "style", "rounded"
            "bgcolor", Palette.background
            "color", Palette.line ]
      statement "  " "node" [ "shape", "box"; "style", "filled,rounded"; "fontname", "Helvetica" ]
      statement "  " "edge" [ "fontname", "Helvetica"; "fontsize", "9"; "color", Palette.line ] ]

let draw depth (plan: NetworkPlan) =
    let diagram = ofPlan depth plan

    [ $"digraph {quoted plan.Name} {{"
      yield! settings plan
      yield! diagram.Items |> List.collect (item diagram "  ")
      yield! diagram.Edges |> List.map edge
      "}" ]
    |> List.map (fun line -> line + "\n")
    |> String.concat ""
