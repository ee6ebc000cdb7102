/// A drawing that is much taller than a page, in columns side by side. It is cut only where one edge leads on.
module internal CnnCluster.Dsl.Drawing.Columns

open CnnCluster.Dsl.Drawing.Nesting

/// A part of the drawing, and how it is moved.
type Column =
    { Top: float
      Bottom: float
      Left: float
      Width: float
      MoveX: float
      MoveY: float }

/// Taller drawings than this are cut.
[<Literal>]
let private TallestInOneColumn = 1500.0

/// Width to height, to be aimed at.
[<Literal>]
let private Aspect = 1.4

/// Between columns, with room for the edge that leads from one to the next.
let gutter = 56.0

/// Above and below the columns, for the same edge.
let clearance = 18.0

let private chosenCuts (layout: Layout) =
    let count =
        if layout.Height <= TallestInOneColumn then
            1
        else
            max 1 (int (round (sqrt (Aspect * layout.Height / (layout.Width + gutter)))))

    match layout.Cuts with
    | [] -> []
    | cuts ->
        let height = layout.Height / float count

        [ for i in 1 .. count - 1 do
              let wanted = float i * height
              let nearest = cuts |> List.minBy (fun cut -> abs (cut - wanted))

              // Columns of very different heights look worse than a tall one.
              if abs (nearest - wanted) < 0.4 * height then nearest ]
        |> List.distinct

/// The left and right of all that lies between two heights.
let private extent (layout: Layout) top bottom =
    let isInside y = y >= top && y <= bottom

    let sides =
        [ for _, box in layout.Boxes do
              if isInside box.Y then box.X, box.X + box.Width
          for _, frame in layout.Frames do
              if isInside frame.Y then frame.X, frame.X + frame.Width
          for route in layout.Routes do
              for stretch in route.Stretches do
                  if isInside stretch.Bottom then stretch.X, stretch.X ]

    sides |> List.map fst |> List.min, sides |> List.map snd |> List.max

/// From left to right.
let create (layout: Layout) =
    let bounds = [ 0.0; yield! chosenCuts layout; layout.Height ]

    (([], 0.0), List.pairwise bounds)
    ||> List.fold (fun (columns, x) (top, bottom) ->
        let left, right = extent layout top bottom

        { Top = top
          Bottom = bottom
          Left = left
          Width = right - left
          MoveX = x - left
          MoveY = -top }
        :: columns,
        x + right - left + gutter)
    |> fst
    |> List.rev

let columnAt (columns: Column list) y =
    columns
    |> List.tryFind (fun column -> y <= column.Bottom)
    |> Option.defaultValue (List.last columns)
