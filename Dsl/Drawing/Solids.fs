/// Values as solids: a box whose face is height by width and whose depth is the channels, or a bar for a vector.
module internal CnnCluster.Dsl.Drawing.Solids

open System.Xml.Linq
open CnnCluster.Dsl
open CnnCluster.Dsl.Drawing.Svg

type Solid =
    {
        FaceWidth: float
        FaceHeight: float
        /// How far the back lies to the right and above.
        DepthX: float
        DepthY: float
        /// Whether a side is open, and so its length a guess.
        IsOpen: bool
    }

    member solid.Width = solid.FaceWidth + solid.DepthX
    member solid.Height = solid.FaceHeight + solid.DepthY

/// An open side is drawn as long as this one.
let private openSide = 64

/// Pixels for a side, a number of channels and a number of features: less than in proportion, so that 224 and 7, 1
/// and 4096 fit on one page.
let private sideLength side =
    11.0 * (float (Option.defaultValue openSide side) ** 0.47)

let private depth (channels: int) = 3.5 * (float channels ** 0.42)
let private barLength (features: int) = 14.0 * (float features ** 0.24)

let private solid width height depth isOpen =
    { FaceWidth = width
      FaceHeight = height
      DepthX = 0.8 * depth
      DepthY = 0.5 * depth
      IsOpen = isOpen }

let ofShape (shape: Shape) =
    let isOpen = List.exists Option.isNone shape.Sides

    match shape.Sides with
    | [] -> solid 11.0 (barLength shape.Channels) 7.0 false
    | [ length ] -> solid (sideLength length) 11.0 (depth shape.Channels) isOpen
    | [ height; width ] -> solid (sideLength width) (sideLength height) (depth shape.Channels) isOpen
    | sides ->
        // Further axes are in the depth too.
        let face = sides |> List.skip (sides.Length - 2)
        let further = sides |> List.truncate (sides.Length - 2) |> List.sumBy sideLength
        solid (sideLength face[1]) (sideLength face[0]) (depth shape.Channels + further / 2.0) isOpen

/// The solid in front of (x, y), its upper left corner with the depth.
let draw (solid: Solid) x y fill =
    let outline =
        [ "stroke", Palette.line
          "stroke-width", "0.8"
          "stroke-linejoin", "round"
          if solid.IsOpen then "stroke-dasharray", "4 2" ]

    let right, top, bottom = x + solid.FaceWidth, y + solid.DepthY, y + solid.Height

    let shade points colour opacity =
        [ polygon points (("fill", fill) :: outline); polygon points [ "fill", colour; "fill-opacity", opacity ] ]

    let lid = [ x, top; x + solid.DepthX, y; right + solid.DepthX, y; right, top ]

    let side =
        [ right, top; right + solid.DepthX, y; right + solid.DepthX, bottom - solid.DepthY; right, bottom ]

    shade lid "#ffffff" "0.4"
    @ shade side "#000000" "0.12"
    @ [ rectangle x top solid.FaceWidth solid.FaceHeight (("fill", fill) :: outline) ]
    : XElement list
