/// A plain chain of layers as labelled solids from left to right, in the manner of LeCun, Bottou, Bengio, Haffner (1998).
module internal CnnCluster.Dsl.Drawing.VolumeDrawing

open System.Xml.Linq
open CnnCluster.Dsl
open CnnCluster.Dsl.Drawing.Nest
open CnnCluster.Dsl.Drawing.VolumeLayout
open CnnCluster.Dsl.Drawing.Svg

let private margin = 24.0

/// Whether each layer works on the one in front of it, from an input with sides to the one output.
let fits (folding: Folding) =
    let plan = folding.Plan

    let follows index (part: Part) =
        part.Inputs = [ (if index = 0 then FromInput 0 else FromNode(index - 1)) ]

    let isLast (_, source) =
        source = FromNode(folding.Parts.Length - 1)

    plan.Inputs.Length = 1
    && plan.Inputs.Head.Shape.Rank > 0
    && List.forall isLast folding.Outputs
    && folding.Outputs.Length = 1
    && folding.Parts |> Array.indexed |> Array.forall (fun (i, part) -> follows i part)

let private thin = [ "fill", "none"; "stroke", Palette.line; "stroke-width", "0.7" ]

let private lineOf (x1, y1) (x2, y2) =
    path $"M {number x1} {number y1} L {number x2} {number y2}" thin

/// The window on the face of a layer's input, and the element that it makes.
let private projection (window: int list) (before: Placed) (after: Placed) =
    let left, top, right, bottom = before.Face
    let left', top', right', bottom' = after.Face
    let shape = before.Station.Shape
    let rank = shape.Rank

    let share axis =
        match shape.Sides[axis] with
        | Some side -> min 1.0 (float window[axis] / float side)
        | None -> 0.1

    let width = max 4.0 ((right - left) * share (rank - 1))
    let height = max 4.0 ((bottom - top) * (if rank > 1 then share (rank - 2) else 1.0))
    let x, y = left + (right - left - width) * 0.7, top + (bottom - top - height) * 0.35
    let target = left' + (right' - left') * 0.3, top' + (bottom' - top') * 0.45

    let fine =
        [ "fill", "#ffffff"; "fill-opacity", "0.6"; "stroke", Palette.line; "stroke-width", "0.8" ]

    group
        "window"
        [ rectangle x y width height fine
          lineOf (x + width, y) target
          lineOf (x + width, y + height) target
          rectangle (fst target - 1.5) (snd target - 1.5) 3.0 3.0 fine ]

/// Every element of the one value meets the other's.
let private fan (before: Placed) (after: Placed) =
    let _, top, right, bottom = before.Face
    let left', top', _, bottom' = after.Face
    group "fan" [ lineOf (right, top) (left', top'); lineOf (right, bottom) (left', bottom') ]

let private arrow (before: Placed) (after: Placed) =
    let left, _, _, _ = after.Face
    let solid = before.Station.Solid
    let y = before.Y + solid.DepthY + solid.FaceHeight / 2.0
    let from = before.X + solid.Width + 3.0
    group "arrow" [ lineOf (from, y) (left - 8.0, y); headRight (left - 3.0) y ]

let private joint (before: Placed) (after: Placed) =
    let part = after.Station.Parts.Head
    let window = if part.IsFolded then None else Labels.window part.Nodes.Head

    match window with
    | Some window when after.Station.Shape.Rank > 0 && before.Station.Shape.Rank = window.Length ->
        projection window before after
    | _ when after.Station.Shape.Rank = 0 -> fan before after
    | _ -> arrow before after

let private labelled placed =
    let station = placed.Station
    let line i = placed.LabelY + lineHeight * float i

    let shape =
        centred 11.0 placed.Middle (line 0) [ "font-weight", "bold" ] (Shape.text station.Shape)

    let texts =
        [ for i, (content, part) in List.indexed station.Labels ->
              part, centred 10.5 placed.Middle (line (i + 1)) [ "fill", Palette.faint ] content ]

    shape, texts

let private drawn (plan: NetworkPlan) placed =
    let station = placed.Station
    let solid = Solids.draw station.Solid placed.X placed.Y station.Fill
    let shape, texts = labelled placed

    let textsOf (part: Part) =
        texts
        |> List.choose (fun (about: Part, text) -> if about.Path = part.Path then Some text else None)

    let named (part: Part) =
        title $"{part.Path}: {Shape.text part.Output}"

    match station.Parts with
    | [] ->
        let name = plan.Inputs.Head.Name

        let label =
            centred 10.5 placed.Middle (placed.LabelY + lineHeight) [ "fill", Palette.faint ] name

        [ group "input" (title $"{name}: {Shape.text station.Shape}" :: solid @ [ shape; label ]) ]
    | head :: followers ->
        group "layer" (named head :: solid @ shape :: textsOf head)
        :: [ for part in followers -> group "layer" (named part :: textsOf part) ]

/// What leads from one row to the next.
let private turn (before: Placed) (after: Placed) =
    let middle placed =
        placed.Y + placed.Station.Solid.Height / 2.0

    let right = before.X + before.Station.Solid.Width
    let left = after.X

    [ group
          "arrow"
          [ lineOf (right + 4.0, middle before) (right + 16.0, middle before)
            headRight (right + 21.0) (middle before) ]
      group
          "arrow"
          [ lineOf (left - 21.0, middle after) (left - 9.0, middle after); headRight (left - 4.0) (middle after) ] ]

let private drawRow plan (placed: Placed list) : XElement list =
    let pairs = List.pairwise placed
    List.collect (drawn plan) placed @ List.map (fun (a, b) -> joint a b) pairs

let draw (diagram: Diagram) =
    let plan = diagram.Folding.Plan
    let rows = rowsOf (stations diagram)

    let tops =
        rows
        |> List.scan (fun top row -> top + row.Height + row.LabelHeight + 36.0) 66.0

    let placed = List.map2 placeRow (List.truncate rows.Length tops) rows
    let bottom = List.last tops
    let heading = Labels.summary plan

    let legend, legendWidth = legend margin (bottom + 14.0) (families diagram.Folding)

    let width =
        (placed |> List.map snd)
        @ [ widthOf 11.0 heading; widthOf 17.0 plan.Name; legendWidth ]
        |> List.max
        |> (+) (2.0 * margin)

    let drawing =
        [ for stations, _ in placed do
              yield! drawRow plan stations
          for (before, _), (after, _) in List.pairwise placed do
              yield! turn (List.last before) (List.head after) ]

    document
        width
        (bottom + 32.0)
        plan.Name
        $"The values of {plan.Name} from left to right, each with its shape and the layers that make it: {heading}."
        [ text 17.0 margin 30.0 [ "font-weight", "bold" ] plan.Name
          text 11.0 margin 47.0 [ "fill", Palette.faint ] heading
          element "g" [ "transform", $"translate({number margin} 0)" ] drawing
          legend ]
