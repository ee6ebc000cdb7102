/// Pooling: the greatest or the mean element of a window, channel by channel.
module internal CnnCluster.Dsl.Layers.Pooling

open System
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window
open CnnCluster.Kernels.Layers
open CnnCluster.Kernels.Layers.Lanes

let private arguments =
    [ Arguments.positional "size" (SizeOf 1) (SizeValue [ 2 ]) "The window's sides: one number, or one for each axis."
      { Arguments.required "stride" (SizeOf 1) "How far the window moves." with
          Default = As "size"
          Positional = false }
      Arguments.keyword
          "pad"
          PaddingOf
          (PaddingValue Valid)
          "same, valid, a number, one for each axis, or [begin end; begin end]."
      Arguments.keyword "ceil" YesNo (FlagValue false) "Whether a last window that reaches over the edge counts." ]

let private maximumInLibtorch (window: Window) =
    let ends, kernel, stride =
        OfSides(paddingOf window), imageAxes window.Kernel, imageAxes window.Stride

    fun (x: torch.Tensor) ->
        // Padding must never win.
        let padded = pad (ends.For x) Double.NegativeInfinity x

        match window.Kernel.Length with
        | 3 -> torch.nn.functional.max_pool3d (padded, kernel, stride)
        | rank -> onImage rank padded (fun image -> torch.nn.functional.max_pool2d (image, kernel, stride))

let private maximum (window: Window) =
    let newCalls = Func<_>(fun () -> OfSides(fun x -> PoolCall(poolWindow window x)))

    let inLibtorch = maximumInLibtorch window

    fun (call: LayerCall) ->
        let x = call.Input
        let own = (call.Cache.Of newCalls).For x
        let windows = own.Window

        if MaxPool.Takes(x, &windows) then
            MaxPool.Of(x, own, call.Step)
        else
            inLibtorch x

let private meanOf (window: Window) =
    let kernel, stride = imageAxes window.Kernel, imageAxes window.Stride

    fun (x: torch.Tensor) ->
        match window.Kernel.Length with
        | 3 -> torch.nn.functional.avg_pool3d (x, kernel, stride)
        | rank -> onImage rank x (fun image -> torch.nn.functional.avg_pool2d (image, kernel, stride))

/// What the means over whole windows are divided by: the part of each window that counts. It follows from an input's
/// sides and is kept for the last ones, in the input's type.
[<Sealed>]
type private Divisors(partsOf: torch.Tensor -> torch.Tensor) =
    let gate = obj ()
    let mutable sides = Array.Empty<int64>()
    let mutable parts: torch.Tensor | null = null

    let isOf (x: torch.Tensor) (known: torch.Tensor) =
        known.dtype = x.dtype
        && known.device_type = x.device_type
        && known.device_index = x.device_index
        && areSides 2 sides x

    let renewed (x: torch.Tensor) =
        use _ = torch.no_grad ()
        use _ = torch.NewDisposeScope()
        let made = (partsOf x).DetachFromDisposeScope()

        // What waits for its backward pass holds the memory itself.
        match parts with
        | null -> ()
        | old -> old.Dispose()

        sides <- x.shape
        parts <- made
        made

    /// The means over the elements that count, of those over all elements of the windows of an input.
    member _.Under(means: torch.Tensor, x: torch.Tensor) =
        lock gate (fun () ->
            match parts with
            | null -> means / renewed x
            | known -> means / (if isOf x known then known else renewed x))

    interface IDisposable with
        member _.Dispose() =
            match parts with
            | null -> ()
            | known -> known.Dispose()

/// The mean over the window's elements that count: those of the input, and if the script says so the padding. What a
/// last window reaches over the edge never counts.
let private average countPad (window: Window) =
    let meanOf = meanOf window
    let ends = OfSides(paddingOf window)

    let partsOf (x: torch.Tensor) =
        let said, beyond = paddingsOf window x
        let sides = Array.append [| 1L; 1L |] (Array.skip 2 x.shape)

        torch.ones (sides, dtype = x.dtype, device = x.device)
        |> pad said (if countPad then 1.0 else 0.0)
        |> pad beyond 0.0
        |> meanOf

    let newDivisors = Func<_>(fun () -> new Divisors(partsOf))

    fun (call: LayerCall) ->
        let x = call.Input
        let ends = ends.For x
        let means = meanOf (pad ends 0.0 x)

        if ends.Length = 0 then means else (call.Cache.Of newDivisors).Under(means, x)

let private tooMuchPadding (window: Window) =
    match window.Padding with
    | Sides paddings ->
        let kernels =
            if paddings.Length = 1 then [ List.min window.Kernel ] else window.Kernel

        List.zip paddings kernels
        |> List.tryFind (fun ((before, after), k) -> before >= k || after >= k)
    | Same
    | Valid -> None

/// Windows of 2×2 side by side, without padding.
let private inPairs (window: Window) (input: Shape) =
    match imageGeometry window input with
    | Some geometry ->
        geometry.Kernel = Axes(2, 2)
        && geometry.Stride = Axes(2, 2)
        && geometry.Before = Axes(0, 0)
        && geometry.After = Axes(0, 0)
    | None -> false

let private plan effect operation (site: LayerSite) =
    let input, values, rank = site.Input, site.Arguments, site.Input.Rank

    let window =
        { Kernel = values.Size("size", rank)
          Stride = values.Size("stride", rank)
          Dilation = List.replicate rank 1
          Padding = values.Padding "pad"
          Ceil = values.Flag "ceil" }

    check window input [ "size"; "stride"; "size" ] (fun sides ->
        match tooMuchPadding window with
        | Some(_, k) ->
            LayerFault.at "pad" $"padding must be less than the window's side, {k}: else a window sees nothing"
        | None ->
            let field = site.Field |> ReceptiveField.slide window.Kernel window.Stride
            let forward = operation values window

            Ok(
                LayerPlan.stateless { input with Sides = sides } field forward
                |> effect window input
            ))

let private definition name summary formula notes example further effect operation =
    { Name = name
      Help =
        { LayerHelp.create
              summary
              "⌊(n + a + b − k) / s⌋ + 1; with ceil, ⌈ ⌉ in place of ⌊ ⌋, but a window that would begin in the padding behind the input is left out; with pad=same, ⌈n/s⌉"
              example with
            Formula = formula
            Notes = "Padding is less than the window's side." :: notes }
      Arguments = arguments @ further
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan effect operation }

let maxpool =
    definition
        "maxpool"
        "The greatest element of each window, channel by channel; padding never wins."
        "y[i] = maxₗ x[i·s + l − a]"
        [ "Of several greatest elements the first gets the gradient." ]
        "input 28x28x6; maxpool 2x2; maxpool 3 stride=2 pad=1"
        []
        (fun window input plan ->
            { LayerPlan.keeping plan with
                Lanes = if inPairs window input then Some LaneForm.MaxPool else None })
        (fun _ -> maximum)

let private countPad =
    Arguments.flag "count-pad" "Whether padding counts as elements of 0."

let avgpool =
    definition
        "avgpool"
        "The mean of each window, channel by channel, over those of its elements that lie in the input: padding is not counted."
        "y[i] = Σₗ x[i·s + l − a] / (how many of these elements there are)"
        [ "Keras does not count padding either. PyTorch does, unless count_include_pad is false: count-pad does as it does."
          "With count-pad a mean has ∏k elements, padding among them; what a last window of ceil reaches over the padding is still not counted." ]
        "input 28x28x6; avgpool 2x2; avgpool 3 stride=1 pad=same; avgpool 3 stride=1 pad=1 count-pad"
        [ countPad ]
        (fun _ _ plan -> LayerPlan.averaging plan)
        (fun values -> average (values.Flag "count-pad"))
