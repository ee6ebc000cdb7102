namespace CnnCluster.Dsl

/// The shape of one sample's value: channels and sides, in height-width order; `None` is a side left open.
/// A value without sides is a vector of `Channels` features. Memory is channel-first: (N, C, sides…).
type Shape =
    { Channels: int
      Sides: int option list }

    member shape.Rank = shape.Sides.Length

    /// Elements of one sample; `None` if a side is open.
    member shape.Elements =
        (Some(int64 shape.Channels), shape.Sides)
        ||> List.fold (fun product side -> Option.map2 (fun p s -> p * int64 s) product side)

module Shape =
    let vector features = { Channels = features; Sides = [] }

    let image height width channels =
        { Channels = channels
          Sides = [ Some height; Some width ] }

    /// As scripts write it: `28x28x1`, or `84` for a vector.
    let text (shape: Shape) =
        (shape.Sides |> List.map (Option.map string >> Option.defaultValue "?"))
        @ [ string shape.Channels ]
        |> String.concat "x"

    /// Reads `224x224x3`; null if it is no shape.
    let ofText (text: string) : Shape | null =
        let sides =
            text.Split 'x'
            |> Array.map (fun part ->
                match System.Int32.TryParse part with
                | true, side when side > 0 -> Some side
                | _ -> None)
            |> List.ofArray

        match List.rev sides with
        | Some channels :: rest when rest |> List.forall Option.isSome ->
            { Channels = channels
              Sides = List.rev rest }
        | _ -> null

/// How far into the input one element of a value sees, and how far apart neighbours see, an axis each.
/// R(i) = R(i−1) + (k(i) − 1)·∏ s(j<i). Behind an enlarged value neighbours lie less than a pixel apart.
type Sight = { Size: float; Jump: float }

/// What an element of a value sees of the network's input.
type ReceptiveField =
    | Window of Sight list
    /// Everything: behind `flatten` or a pooling of the whole image.
    | Whole

module ReceptiveField =
    let start rank =
        Window(List.replicate rank { Size = 1.0; Jump = 1.0 })

    let private map change =
        function
        | Whole -> Whole
        | Window sights -> Window(List.mapi change sights)

    /// A value whose elements each see so many neighbours of another's, as many of its elements apart as `step` says.
    let resample (seen: int list) (step: float list) =
        map (fun axis sight ->
            { Size = sight.Size + float (seen[axis] - 1) * sight.Jump
              Jump = sight.Jump * step[axis] })

    /// A window of these kernel sizes and strides, slid over a value.
    let slide (kernel: int list) (stride: int list) =
        resample kernel (stride |> List.map float)

    /// A value enlarged so many times along each axis, whose elements each see so many neighbours of it.
    let enlarge (seen: int list) (factor: int list) =
        resample seen (factor |> List.map (fun f -> 1.0 / float f))

    /// Of several values at once: the widest sight along each axis.
    let union (fields: ReceptiveField list) =
        let wider a b =
            { Size = max a.Size b.Size
              Jump = max a.Jump b.Jump }

        fields
        |> List.reduce (fun a b ->
            match a, b with
            | Window a, Window b when a.Length = b.Length -> Window(List.map2 wider a b)
            | _ -> Whole)
