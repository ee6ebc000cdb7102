/// The boxes of a layered drawing: a layer, and below it the pointwise layers that nothing else comes between, as in
/// convolution, normalisation, activation.
module internal CnnCluster.Dsl.Drawing.Stacks

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Drawing.Labels
open CnnCluster.Dsl.Drawing.Nest

/// A line of text in a box.
type Line =
    { Text: string
      Size: float
      Faint: bool }

/// A vertex as it is drawn.
type Row =
    { Vertex: Vertex
      Title: string
      Fill: string
      Dashed: bool
      Lines: Line list
      Height: float }

type Box =
    { Rows: Row list
      Width: float }

    member box.Height = box.Rows |> List.sumBy _.Height

let private strong text =
    { Text = text
      Size = 12.0
      Faint = false }

let private faint text =
    { Text = text
      Size = 10.0
      Faint = true }

let private row vertex title fill lines =
    { Vertex = vertex
      Title = title
      Fill = fill
      Dashed = false
      Lines = lines
      Height = 8.0 + (lines |> List.sumBy (fun line -> line.Size + 3.0)) }

let private notes part =
    [ match sharing part with
      | Some owner when part.IsFolded -> faint owner
      | _ -> ()
      if isFrozen part then faint "not trained" ]

let private partRow folding isHead vertex (part: Part) =
    let shape = Shape.text part.Output

    let lines =
        if part.IsFolded then
            [ strong (localName part.Path); faint shape ]
        elif isHead then
            [ strong (text part.Nodes.Head); faint $"{localName part.Path} · {shape}" ]
        else
            [ { strong (text part.Nodes.Head) with
                  Size = 11.0 } ]

    { row vertex $"{part.Path}: {shape}" (Palette.fill (familyOf folding part)) (lines @ notes part) with
        Dashed = part.IsShared }

let private rowOf (folding: Folding) isHead vertex =
    match vertex with
    | PartVertex i -> partRow folding isHead vertex folding.Parts[i]
    | InputVertex i ->
        let input = folding.Plan.Inputs[i]
        let shape = Shape.text input.Shape
        row vertex $"{input.Name}: {shape}" Palette.input [ strong input.Name; faint shape ]
    | OutputVertex i ->
        let output, source = folding.Outputs[i]
        let shape = Shape.text (Folding.shapeOf folding source)
        row vertex $"output {output.Name}: {shape}" Palette.input [ strong $"output {output.Name}"; faint shape ]

let private boxOf (rows: Row list) =
    let widest =
        rows
        |> List.collect _.Lines
        |> List.map (fun line -> Svg.widthOf line.Size line.Text)
        |> List.max

    { Rows = rows
      Width = max 96.0 (ceil (widest + 18.0)) }

/// Which vertex each pointwise layer is drawn below: that in front of it, unless something else reads that one too.
let private carriers (diagram: Diagram) =
    let readers = diagram.Edges |> List.countBy _.From |> Map.ofList

    [ for edge in diagram.Edges do
          match edge.From, edge.To with
          | PartVertex above, PartVertex below when readers[edge.From] = 1 ->
              let a, b = diagram.Folding.Parts[above], diagram.Folding.Parts[below]

              if
                  not a.IsFolded
                  && not b.IsFolded
                  && isPointwise diagram.Folding.Plan b.Nodes.Head
                  && a.Uses = b.Uses
              then
                  edge.To, edge.From
          | _ -> () ]
    |> Map.ofList

/// The boxes by the vertices that stand first in them, and the diagram of these vertices alone.
let create (diagram: Diagram) =
    let carriers = carriers diagram

    let rec headOf vertex =
        match Map.tryFind vertex carriers with
        | Some above -> headOf above
        | None -> vertex

    let members = Dictionary<Vertex, ResizeArray<Vertex>>()

    let rec keep items =
        items
        |> List.choose (fun item ->
            match item with
            | Group(using, inner) -> Some(Group(using, keep inner))
            | Leaf vertex ->
                let head = headOf vertex

                if head = vertex then
                    members[vertex] <- ResizeArray [ vertex ]
                    Some item
                else
                    members[head].Add vertex
                    None)

    let items = keep diagram.Items

    let boxes =
        Map.ofList
            [ for KeyValue(head, vertices) in members ->
                  head, boxOf [ for vertex in vertices -> rowOf diagram.Folding (vertex = head) vertex ] ]

    boxes,
    { diagram with
        Items = items
        Edges =
            [ for edge in diagram.Edges do
                  let from, into = headOf edge.From, headOf edge.To

                  if from <> into then { edge with From = from; To = into } ] }
