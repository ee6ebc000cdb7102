/// A network as a graph in layers, from top to bottom.
module internal CnnCluster.Dsl.Drawing.GraphDrawing

open System.Xml.Linq
open CnnCluster.Dsl
open CnnCluster.Dsl.Drawing.Nest
open CnnCluster.Dsl.Drawing.Nesting
open CnnCluster.Dsl.Drawing.Geometry
open CnnCluster.Dsl.Drawing.Columns
open CnnCluster.Dsl.Drawing.Svg

let private margin = 24.0

// ---- boxes ----

let private textOf (line: Stacks.Line) x y =
    centred line.Size x y (if line.Faint then [ "fill", Palette.faint ] else []) line.Text

let private rowOf (rectangle: Rectangle) top (row: Stacks.Row) =
    let middle = rectangle.X + rectangle.Width / 2.0

    let lines, _ =
        ((([]: XElement list), top + 4.0), row.Lines)
        ||> List.fold (fun (elements, y) line ->
            let baseline = y + line.Size
            textOf line middle baseline :: elements, baseline + 3.0)

    let stroke =
        [ "fill", row.Fill
          "stroke", Palette.line
          "stroke-width", "0.8"
          "rx", "3"
          if row.Dashed then "stroke-dasharray", "4 2" ]

    let kind =
        match row.Vertex with
        | InputVertex _ -> "input"
        | PartVertex _ -> "layer"
        | OutputVertex _ -> "output"

    group
        kind
        (title row.Title
         :: Svg.rectangle rectangle.X top rectangle.Width row.Height stroke
         :: List.rev lines)

let private boxOf (boxes: Map<Vertex, Stacks.Box>) (vertex, rectangle: Rectangle) =
    let rows = boxes[vertex].Rows

    let tops =
        rows
        |> List.map _.Height
        |> List.scan (+) rectangle.Y
        |> List.truncate rows.Length

    List.map2 (rowOf rectangle) tops rows

let private frameOf (using: PlanUse, frame: Rectangle) =
    let name = Labels.localName using.Path

    let halo =
        [ "fill", Palette.faint; "stroke", Palette.group; "stroke-width", "3"; "paint-order", "stroke" ]

    let around =
        Svg.rectangle
            frame.X
            frame.Y
            frame.Width
            frame.Height
            [ "rx", "8"
              "fill", Palette.group
              "stroke", Palette.groupLine
              "stroke-width", "1"
              if using.IsShared then "stroke-dasharray", "4 2" ]

    let about = if using.IsShared then groupName using else using.Path
    group "block" [ title about; around ], text 10.0 (frame.X + 8.0) (frame.Y + 13.0) halo name

// ---- edges ----

let private curve (from: Stretch) (into: Stretch) =
    if abs (from.X - into.X) < 0.5 then
        $"V {number into.Bottom}"
    else
        let middle = (from.Bottom + into.Top) / 2.0

        $"V {number from.Bottom} C {number from.X} {number middle} {number into.X} {number middle} {number into.X} {number into.Top} V {number into.Bottom}"

/// Down out of a column, up beside it, and down into the next.
let private turn (into: Stretch) (before: Column) (after: Column) =
    let round = 8.0
    let low = before.Bottom + before.MoveY + Columns.clearance
    let beside = after.Left + after.MoveX - Columns.gutter / 2.0
    let high = after.Top + after.MoveY - Columns.clearance
    let side = if into.X >= beside then round else -round

    [ $"V {number (low - round)} q 0 {number round} {number round} {number round}"
      $"H {number (beside - round)} q {number round} 0 {number round} {number -round}"
      $"V {number (high + round)} q 0 {number -round} {number side} {number -round}"
      $"H {number (into.X - side)} q {number side} 0 {number side} {number round} V {number into.Bottom}" ]
    |> String.concat " "

let private edgeOf columns (route: Route) =
    let stretches =
        [ for stretch in route.Stretches ->
              let column = Columns.columnAt columns ((stretch.Top + stretch.Bottom) / 2.0)

              column,
              { X = stretch.X + column.MoveX
                Top = stretch.Top + column.MoveY
                Bottom = stretch.Bottom + column.MoveY } ]

    let step ((before, from), (after, into)) =
        if before = after then curve from into else turn into before after

    let first, last = snd stretches.Head, snd (List.last stretches)
    let start = $"M {number first.X} {number first.Top}"

    let data =
        start :: (stretches |> List.pairwise |> List.map step) |> String.concat " "

    [ path data [ "fill", "none"; "stroke", Palette.line; "stroke-width", "1.2" ]
      if route.Arrives then headDown last.X last.Bottom ]

// ---- the whole ----

let private entriesOf (folding: Folding) =
    Svg.families folding
    @ [ if folding.Parts |> Array.exists _.IsShared then
            { Fill = Palette.background
              Dashed = true
              Text = "weights of an earlier use" } ]

let private described (plan: NetworkPlan) =
    $"The layers of {plan.Name} from top to bottom, with the shapes of their outputs: {Labels.summary plan}."

let private moved columns (item, rectangle: Rectangle) =
    let column = Columns.columnAt columns (rectangle.Y + rectangle.Height / 2.0)

    item,
    { rectangle with
        X = rectangle.X + column.MoveX
        Y = rectangle.Y + column.MoveY }

/// Below the heading.
let private top = 84.0

let private elementsOf boxes (layout: Layout) columns =
    let frames, names =
        layout.Frames |> List.map (moved columns >> frameOf) |> List.unzip

    frames
    @ List.collect (edgeOf columns) layout.Routes
    @ names
    @ List.collect (moved columns >> boxOf boxes) layout.Boxes

let draw (diagram: Diagram) =
    let plan = diagram.Folding.Plan
    let boxes, stacked = Stacks.create diagram
    let layout = Nesting.create boxes stacked
    let columns = Columns.create layout
    let last = List.last columns
    let across = last.Left + last.MoveX + last.Width

    let down =
        columns |> List.map (fun column -> column.Bottom - column.Top) |> List.max

    let heading = Labels.summary plan

    let legend, legendWidth =
        legend margin (top + down + 44.0) (entriesOf diagram.Folding)

    let width =
        List.max [ across; widthOf 11.0 heading; widthOf 17.0 plan.Name; legendWidth ]
        + 2.0 * margin

    document
        width
        (top + down + 64.0)
        plan.Name
        (described plan)
        [ text 17.0 margin 30.0 [ "font-weight", "bold" ] plan.Name
          text 11.0 margin 47.0 [ "fill", Palette.faint ] heading
          element
              "g"
              [ "transform", $"translate({number ((width - across) / 2.0)} {number top})" ]
              (elementsOf boxes layout columns)
          legend ]
