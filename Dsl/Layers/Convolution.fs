/// Convolution: what frameworks call so is cross-correlation, z[i] = Σ w[l]·x[i·s + l·d] + b.
module internal CnnCluster.Dsl.Layers.Convolution

open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window

let private arguments =
    [ Arguments.required "filters" (WholeNumber 1) "How many kernels, and so output channels."
      Arguments.required "size" (SizeOf 1) "The kernel's sides: one number, or one for each axis."
      Arguments.keyword "stride" (SizeOf 1) (SizeValue [ 1 ]) "How far the kernel moves."
      Arguments.keyword
          "pad"
          PaddingOf
          (PaddingValue Valid)
          "same, valid, a number, one for each axis, or [begin end; begin end]."
      Arguments.keyword "dilation" (SizeOf 1) (SizeValue [ 1 ]) "How far apart the kernel's elements lie."
      Arguments.keyword "groups" (WholeNumber 1) (WholeValue 1) "Groups of channels that see only themselves." ]
    @ Arguments.weights

let private convolve (window: Window) groups (x: torch.Tensor) (kernel: torch.Tensor) (bias: torch.Tensor | null) =
    let symmetric = symmetric window x
    let x = if symmetric.IsSome then x else pad window 0.0 x
    let strides, dilation = imageAxes window.Stride, imageAxes window.Dilation

    let padding =
        match symmetric with
        | Some [| one |] -> [| 0L; one |]
        | Some sides -> sides
        | None -> Array.zeroCreate strides.Length

    match window.Kernel.Length with
    | 3 -> torch.nn.functional.conv3d (x, kernel, bias, strides, padding, dilation, int64 groups)
    | rank ->
        let kernel = if rank = 1 then kernel.unsqueeze 2L else kernel

        onImage rank x (fun image ->
            torch.nn.functional.conv2d (image, kernel, bias, strides, padding, dilation, int64 groups))

let private forward window groups (call: LayerCall) =
    match call.Weights with
    | [ kernel; bias ] -> convolve window groups call.Input kernel bias
    | _ -> convolve window groups call.Input (List.head call.Weights) null

/// N·(D·k² + 1) weights over D input channels; for each output element, D·k² multiply-adds.
let private plan (site: LayerSite) =
    let input, values, rank = site.Input, site.Arguments, site.Input.Rank
    let filters, groups = values.Whole "filters", values.Whole "groups"

    let window =
        { Kernel = values.Size("size", rank)
          Stride = values.Size("stride", rank)
          Dilation = values.Size("dilation", rank)
          Padding = values.Padding "pad"
          Ceil = false }

    if input.Channels % groups <> 0 then
        LayerFault.at "groups" $"{input.Channels} input channels cannot be dealt out to {groups} groups"
    elif filters % groups <> 0 then
        LayerFault.at "groups" $"{filters} filters cannot be dealt out to {groups} groups"
    else
        check window input [ "size"; "stride"; "dilation" ] (fun sides ->
            let area = window.Kernel |> List.fold (fun product k -> product * int64 k) 1L
            let depth = int64 (input.Channels / groups)
            let output = { Channels = filters; Sides = sides }

            Ok
                { Output = output
                  Field = site.Field |> ReceptiveField.slide window.Extent window.Stride
                  Weights =
                    Arguments.kernelAndBias
                        values
                        (int64 filters :: depth :: List.map int64 window.Kernel)
                        { In = float (depth * area)
                          Out = float (int64 filters * area) }
                  Buffers = []
                  MultiplyAdds = output.Elements |> Option.map (fun elements -> elements * depth * area)
                  Forward = forward window groups })

let definition =
    { Name = "conv"
      Summary = "Convolution over one, two or three sides, as many as the input has."
      Arguments = arguments
      Ranks = [ 1; 2; 3 ]
      Plan = plan }
