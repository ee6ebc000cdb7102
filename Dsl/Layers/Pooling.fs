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
    let calls = OfSides(fun x -> PoolCall(poolWindow window x))
    let inLibtorch = maximumInLibtorch window

    fun (call: LayerCall) ->
        let x = call.Input
        let own = calls.For x

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

/// The mean over the window's elements that count: those of the input, and if the script says so the padding. What a
/// last window reaches over the edge never counts.
let private average countPad (window: Window) =
    let meanOf = meanOf window
    let ends, parts = OfSides(paddingOf window), OfSides(paddingsOf window)

    fun (call: LayerCall) ->
        let x = call.Input
        let ends = ends.For x
        let mean = meanOf (pad ends 0.0 x)

        if ends.Length = 0 then
            mean
        else
            let sides = Array.skip 2 x.shape

            let ones =
                torch.ones (Array.append [| 1L; 1L |] sides, dtype = x.dtype, device = x.device)

            let said, beyond = parts.For x
            let counted = ones |> pad said (if countPad then 1.0 else 0.0) |> pad beyond 0.0
            mean / meanOf counted

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
