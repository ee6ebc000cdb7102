/// The geometry that convolution and pooling share: a window of k, slid by s over a padded side.
module internal CnnCluster.Dsl.Layers.Window

open TorchSharp
open CnnCluster.Dsl

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

let private explicitPadding rank padding =
    match padding with
    | Sides [ one ] -> List.replicate rank one
    | Sides several -> several
    | Same
    | Valid -> List.replicate rank (0, 0)

/// Output side, and the padding in front of and behind the input, for one axis.
let private axis extent stride (before, after) same ceil side =
    if same then
        let output = (side + stride - 1) / stride
        let total = max 0 ((output - 1) * stride + extent - side)
        output, total / 2, total - total / 2
    else
        let room = side + before + after - extent

        if not ceil || room % stride = 0 || room < 0 then
            // A window larger than the side reaches over the edge with its first place already.
            (if room >= 0 then room / stride + 1
             elif ceil && room > -stride then 1
             else 0),
            before,
            after + (if ceil && room < 0 && room > -stride then -room else 0)
        else
            // A window that would start in the padding behind the input is left out, as in PyTorch.
            let output = room / stride + 2
            let output = if (output - 1) * stride >= side + before then output - 1 else output
            output, before, after + max 0 ((output - 1) * stride + extent - (side + before + after))

let private axes (window: Window) (sides: int list) =
    let paddings = explicitPadding sides.Length window.Padding

    List.zip3 window.Extent window.Stride paddings
    |> List.map2
        (fun side (extent, stride, padding) -> axis extent stride padding (window.Padding = Same) window.Ceil side)
        sides

/// The output's sides; an open side stays open.
let outputSides (window: Window) (sides: int option list) =
    sides
    |> List.mapi (fun i side ->
        side
        |> Option.map (fun length ->
            let alone = List.replicate sides.Length length
            let output, _, _ = (axes window alone)[i]
            output))

/// Refuses a window that fits nowhere, and sizes whose number of axes is not the input's.
let check (window: Window) (input: Shape) names next =
    let sizes = List.zip names [ window.Kernel; window.Stride; window.Dilation ]

    let misfit =
        sizes |> List.tryFind (fun (_, size: int list) -> size.Length <> input.Rank)

    let axesOfPadding =
        match window.Padding with
        | Sides several when several.Length <> 1 && several.Length <> input.Rank -> Some several.Length
        | _ -> None

    match misfit, axesOfPadding with
    | Some(name, size), _ ->
        LayerFault.at name $"'{name}' has {size.Length} sides, but the input, {Shape.text input}, has {input.Rank}"
    | _, Some axes -> LayerFault.at "pad" $"'pad' has {axes} axes, but the input, {Shape.text input}, has {input.Rank}"
    | _ ->
        let sides = outputSides window input.Sides

        match List.tryFindIndex (fun side -> side = Some 0) sides with
        | Some i ->
            LayerFault.at
                (List.head names)
                $"a window of {window.Extent[i]} does not fit into a side of {input.Sides[i].Value} ({Shape.text input})"
        | None -> next sides

let private longs (list: int list) = list |> List.map int64 |> Array.ofList

/// The input with its padding, of this value. The sides come from the tensor: they may have been open in the script.
let pad (window: Window) (value: float) (x: torch.Tensor) =
    let sides = [ for side in Array.skip 2 x.shape -> int side ]

    let paddings =
        axes window sides |> List.map (fun (_, before, after) -> before, after)

    if paddings |> List.forall (fun p -> p = (0, 0)) then
        x
    else
        // The last axis comes first here.
        let ends =
            paddings
            |> List.rev
            |> List.collect (fun (before, after) -> [ int64 before; int64 after ])

        torch.nn.functional.pad (x, Array.ofList ends, PaddingModes.Constant, value)

/// Symmetric padding that a convolution can do itself, without a padded copy; `None` where it cannot.
let symmetric (window: Window) (x: torch.Tensor) =
    let sides = [ for side in Array.skip 2 x.shape -> int side ]

    let paddings =
        axes window sides |> List.map (fun (_, before, after) -> before, after)

    if paddings |> List.forall (fun (before, after) -> before = after) then
        Some(paddings |> List.map (fst >> int64) |> Array.ofList)
    else
        None

/// Runs an operation on images for inputs of one side too: a row is an image of height 1.
let onImage rank (x: torch.Tensor) (operation: torch.Tensor -> torch.Tensor) =
    if rank = 1 then (operation (x.unsqueeze 2L)).squeeze 2L else operation x

/// An axis list for that image.
let imageAxes (list: int list) =
    longs (if list.Length = 1 then 1 :: list else list)
