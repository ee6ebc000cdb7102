/// The geometry that convolution and pooling share: a window of k, slid by s over a padded side.
module internal CnnCluster.Dsl.Layers.Window

open System
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels.Layers
open CnnCluster.Kernels.Layers.Lanes

type Window =
    {
        Kernel: int list
        Stride: int list
        Dilation: int list
        Padding: Padding
        /// Whether a last window that reaches over the edge counts.
        Ceil: bool
    }

    /// The stretch a dilated kernel covers, an axis each.
    member window.Extent =
        List.map2 (fun k d -> (k - 1) * d + 1) window.Kernel window.Dilation

/// Elements of the kernel for one pair of channels.
let area (window: Window) =
    window.Kernel |> List.fold (fun product k -> product * int64 k) 1L

/// Where windows lie along one axis: how many there are, the padding in front of and behind the input, and how far
/// behind that padding the last window reaches.
type private Places =
    { Count: int64
      Before: int64
      After: int64
      Beyond: int64 }

let private samePlaces extent stride side =
    let count = (side + stride - 1L) / stride
    let total = max 0L ((count - 1L) * stride + extent - side)

    { Count = count
      Before = total / 2L
      After = total - total / 2L
      Beyond = 0L }

let private places extent stride (before, after) ceil side =
    let room = side + before + after - extent
    let whole = if room >= 0L then room / stride + 1L else 0L

    let count =
        // A window that would start in the padding behind the input is left out, as in PyTorch.
        if ceil && room > -stride && whole * stride < side + before then
            max whole ((room + stride - 1L) / stride + 1L)
        else
            whole

    { Count = count
      Before = before
      After = after
      Beyond = max 0L ((count - 1L) * stride - room) }

let private axes (window: Window) (sides: int64 list) =
    let paddings = Sides.edges sides.Length window.Padding

    List.zip3 window.Extent window.Stride paddings
    |> List.map2
        (fun side (extent, stride, (before, after)) ->
            if window.Padding = Same then
                samePlaces (int64 extent) (int64 stride) side
            else
                places (int64 extent) (int64 stride) (int64 before, int64 after) window.Ceil side)
        sides

/// How many windows there are along each axis; `None` along an open side.
let private counts (window: Window) (sides: int option list) =
    sides
    |> List.mapi (fun i side ->
        side
        |> Option.map (fun length ->
            let alone = List.replicate sides.Length (int64 length)
            (List.item i (axes window alone)).Count))

/// Refuses a window that fits nowhere, and sizes whose number of axes is not the input's.
let check (window: Window) (input: Shape) names next =
    let axes =
        [ window.Kernel.Length; window.Stride.Length; window.Dilation.Length ]
        |> List.zip names

    Sides.fitting input (axes @ [ "pad", Sides.axesOf input.Rank window.Padding ]) (fun () ->
        let counts = counts window input.Sides

        match List.tryFindIndex (fun side -> side = Some 0L) counts with
        | Some i ->
            LayerFault.at
                (List.head names)
                $"a window of {window.Extent[i]} does not fit into a side of {input.Sides[i].Value} ({Shape.text input})"
        | None -> Sides.bounded counts next)

let private longs (list: int list) = list |> List.map int64 |> Array.ofList

// The sides come from the tensor: they may have been open in the script.
let private placesOn (window: Window) (x: torch.Tensor) =
    axes window (x.shape |> Array.skip 2 |> List.ofArray)

/// What is added at the sides' ends as libtorch takes it, the last axis first; empty where nothing is.
let private endsOf (ends: (int64 * int64) list) =
    if ends |> List.forall (fun p -> p = (0L, 0L)) then
        Array.empty
    else
        [| for before, after in List.rev ends do
               before
               after |]

/// The ends of an input's padding, as far as the last window reaches.
let paddingOf (window: Window) (x: torch.Tensor) =
    endsOf [ for p in placesOn window x -> p.Before, p.After + p.Beyond ]

/// The ends that the script says, and those of what a last window reaches over them.
let paddingsOf (window: Window) (x: torch.Tensor) =
    let places = placesOn window x
    endsOf [ for p in places -> p.Before, p.After ], endsOf [ for p in places -> 0L, p.Beyond ]

/// The input with ends of this value.
let pad (ends: int64[]) (value: float) (x: torch.Tensor) =
    if ends.Length = 0 then
        x
    else
        torch.nn.functional.pad (x, ends, PaddingModes.Constant, value)

/// The windows as the pooling kernels take them: a row is an image of height 1, an image has a depth of 1.
let poolWindow (window: Window) (x: torch.Tensor) =
    let axes =
        [ for kernel, stride, place, side in
              List.zip3 window.Kernel window.Stride (placesOn window x)
              |> List.mapi (fun axis (kernel, stride, place) -> kernel, stride, place, x.size (2 + axis)) ->
              PoolAxis(int side, int place.Count, kernel, stride, int place.Before) ]

    match List.replicate (3 - axes.Length) PoolAxis.Single @ axes with
    | [ depth; height; width ] -> PoolWindow(depth, height, width)
    | _ -> invalidArg (nameof x) $"Pooling takes one, two or three sides; this has {axes.Length}."

/// Whether a tensor has these sides from an axis on, and as many axes.
let areSides from (shape: int64[]) (x: torch.Tensor) =
    let mutable axis = from
    let same = int64 shape.Length = x.dim ()

    while same && axis < shape.Length && shape[axis] = x.size axis do
        axis <- axis + 1

    same && axis >= shape.Length

/// What is made of an input's sides. Those of the input before are remembered with what they gave: in most networks they
/// are the same in every step, which then makes nothing anew.
[<Sealed>]
type OfSides<'T>(make: torch.Tensor -> 'T) =
    // One reference, so that threads which share a layer see both or neither.
    let mutable last = Array.Empty<int64>(), Unchecked.defaultof<'T>

    member _.For(x: torch.Tensor) =
        let known, value = last

        if areSides 2 known x then
            value
        else
            let value = make x
            last <- x.shape, value
            value

/// The same of an input's whole shape, for the last two of them: the slices of a batch may differ by a sample.
[<Sealed>]
type OfShape<'T>(make: int64[] -> 'T) =
    let none = Array.Empty<int64>(), Unchecked.defaultof<'T>
    let mutable last = none
    let mutable before = none

    let remembered (x: torch.Tensor) =
        let shape = x.shape
        let value = make shape
        before <- last
        last <- shape, value
        value

    member _.For(x: torch.Tensor) =
        let shape, value = last

        if areSides 0 shape x then
            value
        else
            let shape, value = before
            if areSides 0 shape x then value else remembered x

/// Shapes by themselves, as arrays.
let shapes () = OfShape id

/// An image's pixels in a row: (N, C, sides…) to (N, C, pixels).
let pixelsOf () =
    let rows =
        OfShape(fun shape -> [| shape[0]; shape[1]; Array.fold (*) 1L (Array.skip 2 shape) |])

    fun (x: torch.Tensor) -> x.reshape (rows.For x)

/// Symmetric padding that a convolution can do itself, without a padded copy; `None` where it cannot.
let symmetric (window: Window) (x: torch.Tensor) =
    let places = placesOn window x

    if places |> List.forall (fun p -> p.Before = p.After && p.Beyond = 0L) then
        Some [| for p in places -> p.Before |]
    else
        None

/// Where an image of one pixel has an output of one: the element of a larger kernel, an axis each, that meets the pixel.
/// All others meet padding.
let onlyElement (window: Window) (x: torch.Tensor) =
    let places = placesOn window x
    let isOne (place: Places) = place.Count = 1L

    // A window may also step over the pixel, or end in front of it.
    let meets (place: Places) (dilation, kernel) =
        place.Before % int64 dilation = 0L
        && place.Before / int64 dilation < int64 kernel

    if
        area window > 1L
        && x.shape |> Array.skip 2 |> Array.forall (fun side -> side = 1L)
        && List.forall isOne places
        && List.forall2 meets places (List.zip window.Dilation window.Kernel)
    then
        Some(List.map2 (fun place dilation -> place.Before / int64 dilation) places window.Dilation)
    else
        None

/// The window over an image of known sides, padded by zeros; `None` for other inputs, and where a last window reaches
/// over the padding.
let imageGeometry (window: Window) (input: Shape) =
    match input.Sides with
    | [ Some height; Some width ] ->
        match axes window [ int64 height; int64 width ] with
        | [ y; x ] when y.Beyond = 0L && x.Beyond = 0L ->
            let pair (list: int list) = Axes(list[0], list[1])
            let ends before = Axes(int (before y), int (before x))

            Some(
                ConvolutionGeometry(
                    pair window.Kernel,
                    pair window.Stride,
                    pair window.Dilation,
                    ends _.Before,
                    ends _.After
                )
            )
        | _ -> None
    | _ -> None

/// Runs an operation on images for inputs of one side too: a row is an image of height 1.
let inline onImage rank (x: torch.Tensor) ([<InlineIfLambda>] operation: torch.Tensor -> torch.Tensor) =
    if rank = 1 then (operation (x.unsqueeze 2L)).squeeze 2L else operation x

/// An axis list for that image.
let imageAxes (list: int list) =
    longs (if list.Length = 1 then 1 :: list else list)
