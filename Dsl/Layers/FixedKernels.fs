/// Kernels whose numbers stand in the script: `kernel=[1 2 1; 2 4 2; 1 2 1]/16`, `kernel=gaussian`.
module internal CnnCluster.Dsl.Layers.FixedKernels

open CnnCluster.Dsl

let argument =
    { Arguments.keyword
          "kernel"
          KernelOf
          (KernelValue [])
          "The kernel's numbers, rows from above, or the name of a fixed kernel: it is not trained, and has no bias." with
        Default = Optional }

let private sizeOf (rows: float list list) (input: Shape) =
    match rows, input.Rank with
    | [ row ], 1 -> Ok [ row.Length ]
    | rows, 2 -> Ok [ rows.Length; rows.Head.Length ]
    | rows, 1 ->
        LayerFault.at "kernel" $"the kernel has {rows.Length} rows, but the input, {Shape.text input}, one side"
    | _ -> LayerFault.at "kernel" $"a fixed kernel is for one or two sides; the input is {Shape.text input}"

let private conflict (values: ArgumentValues) =
    if values.IsGiven "size" then
        Some("size", "a fixed kernel has a size of its own")
    elif values.IsGiven "bias" && values.Flag "bias" then
        Some("bias", "a fixed kernel has no bias")
    elif values.IsGiven "kernel-init" then
        Some("kernel-init", "a fixed kernel has its numbers already")
    else
        None

/// The fixed kernel if there is one, and the kernel's size.
let size (values: ArgumentValues) (input: Shape) =
    match values.Kernel "kernel" with
    | None -> Ok(None, values.Size("size", input.Rank))
    | Some rows ->
        match conflict values with
        | Some(argument, message) -> LayerFault.at argument message
        | None -> sizeOf rows input |> Result.map (fun size -> Some rows, size)

/// The same numbers for every pair of an output and an input channel.
let weight shape (rows: float list list) =
    rows |> List.concat |> Array.ofList |> Weights.fixedKernel shape
