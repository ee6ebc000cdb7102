/// The calls of TorchSharp that our functions of autograd are made of.
module internal CnnCluster.Tests.Trainer.Training.FunctionsByHand

open System.Collections.Generic
open TorchSharp
open CnnCluster.Dsl

/// Samples of a batch.
[<Literal>]
let BatchSize = 8

let kept = obj ()
let shape (sides: int64 list) = Array.ofList sides

let logits = shape [ int64 BatchSize; 10L; 1L; 1L ]

let private channelsLast, usual, flat =
    shape [ 0L; 2L; 3L; 1L ], shape [ 0L; 3L; 1L; 2L ], shape [ -1L ]

/// An image's elements with the channels side by side, of an image in planes.
let sideBySide (x: Tensor) =
    use last = x.permute channelsLast
    use copy = last.contiguous ()
    copy.permute usual

/// What a function computes with, and how that lies in memory.
/// <param name="isSideBySide">Whether the channels do.</param>
/// <param name="input">The input's shape.</param>
/// <param name="output">The output's.</param>
[<Sealed>]
type Pass(isSideBySide, input: int64[], output: int64[]) =
    let sides (shape: int64[]) =
        if isSideBySide then [| shape[0]; shape[2]; shape[3]; shape[1] |] else shape

    let inputSides, outputSides = sides input, sides output

    let empty (sides: int64[]) =
        if isSideBySide then
            use last = torch.empty (sides, dtype = torch.float32)
            last.permute usual
        else
            torch.empty (sides, dtype = torch.float32)

    member _.Output = output
    member val Channels = shape [ output[1] ]
    member val Sums = shape [ 2L * output[1] ]
    member val Table = shape [ 7L; output[1] ]
    member val Kernel = shape [ output[1]; input[1]; 3L; 3L ]
    member _.EmptyInput() = empty inputSides
    member _.EmptyOutput() = empty outputSides

    /// An operand that lies as the layer takes it.
    member _.Taken(x: Tensor) =
        if isSideBySide then x.alias () else x.contiguous ()

    /// Asks where elements begin, so many times.
    member _.Addressed(times, x: Tensor) =
        if isSideBySide then
            for _ in 1..times do
                (x.permute channelsLast).Dispose()

/// Its output's gradient comes in planes.
[<Sealed>]
type MaxPool() =
    inherit torch.autograd.SingleTensorFunction<MaxPool>()
    override _.Name = nameof MaxPool

    static member Of(x: Tensor, pass: Pass) =
        torch.autograd.SingleTensorFunction<MaxPool>.apply(x, pass, kept)

    override _.forward(context, vars) =
        let pass = vars[1] :?> Pass
        use source = pass.Taken(vars[0] :?> Tensor)
        let winners = torch.empty (pass.Output, dtype = torch.uint8)
        let saved = List<Tensor> 1
        saved.Add winners
        context.save_for_backward saved
        context.save_data ("pass", pass)
        let result = pass.EmptyOutput()
        pass.Addressed(2, source)
        result

    override _.backward(context, gradient) =
        let pass = context.get_data "pass" :?> Pass
        use _ = context.get_saved_variables().[0]
        let result = pass.EmptyInput()

        use gradient =
            if result.is_contiguous () then gradient.contiguous () else sideBySide gradient

        pass.Addressed(2, gradient)
        let gradients = List<Tensor> 3
        gradients.Add result
        gradients.Add null
        gradients.Add null
        gradients

[<Sealed>]
type BatchNorm() =
    inherit torch.autograd.SingleTensorFunction<BatchNorm>()
    override _.Name = nameof BatchNorm

    static member Of(x: Tensor, scale: Tensor, shift: Tensor, pass: Pass) =
        torch.autograd.SingleTensorFunction<BatchNorm>.apply(x, scale, shift, pass)

    override _.forward(context, vars) =
        let pass = vars[3] :?> Pass
        let source = pass.Taken(vars[0] :?> Tensor)
        let saved = List<Tensor> 2
        saved.Add source
        saved.Add(torch.empty (pass.Table, dtype = torch.float32))
        context.save_for_backward saved
        context.save_data ("pass", pass)
        pass.Addressed(1, source)
        (torch.empty (pass.Sums, dtype = torch.float64)).Dispose()
        let result = torch.empty_like source
        pass.Addressed(2, source)
        result

    override _.backward(context, gradient) =
        let pass = context.get_data "pass" :?> Pass
        let saved = context.get_saved_variables ()
        use source = saved[0]
        use _ = saved[1]
        use _ = pass.Taken gradient
        use _ = torch.empty (pass.Sums, dtype = torch.float64)
        pass.Addressed(2, source)
        let scale = torch.zeros (pass.Channels, dtype = torch.float32)
        let shift = torch.zeros (pass.Channels, dtype = torch.float32)
        let gradients = List<Tensor> 4
        gradients.Add(torch.empty_like source)
        gradients.Add scale
        gradients.Add shift
        gradients.Add null
        pass.Addressed(3, source)
        gradients

/// A convolution by Winograd's algorithm with a ReLU. Its input and its output's gradient come in planes.
[<Sealed>]
type Winograd() =
    inherit torch.autograd.SingleTensorFunction<Winograd>()
    override _.Name = nameof Winograd

    static member Of(x: Tensor, kernel: Tensor, bias: Tensor, pass: Pass) =
        torch.autograd.SingleTensorFunction<Winograd>.apply(x, kernel, bias, pass)

    override _.forward(context, vars) =
        let pass = vars[3] :?> Pass
        let source = sideBySide (vars[0] :?> Tensor)
        let result = pass.EmptyOutput()
        pass.Addressed(2, source)
        context.save_data ("pass", pass)
        let saved = List<Tensor> 3
        saved.Add source
        saved.Add(vars[1] :?> Tensor)
        saved.Add(result.detach ())
        context.save_for_backward saved
        result

    override _.backward(context, gradient) =
        let pass = context.get_data "pass" :?> Pass
        let saved = context.get_saved_variables ()
        use source = saved[0]
        use _ = saved[1]
        use _ = saved[2]
        use _ = sideBySide gradient
        use _ = pass.EmptyOutput()
        let bias = torch.zeros (pass.Channels, dtype = torch.float32)
        pass.Addressed(3, source)
        let gradients = List<Tensor> 4
        gradients.Add(pass.EmptyInput())
        pass.Addressed(2, source)
        gradients.Add(torch.zeros (pass.Kernel, dtype = torch.float32))
        pass.Addressed(2, source)
        gradients.Add bias
        gradients.Add null
        gradients

/// A sum over all ranks.
[<Sealed>]
type RanksSum() =
    inherit torch.autograd.SingleTensorFunction<RanksSum>()

    let sum (x: Tensor) =
        let sum = x.detach().contiguous().clone()
        sum.view flat |> ignore
        sum

    override _.Name = nameof RanksSum

    static member Of(x: Tensor) =
        torch.autograd.SingleTensorFunction<RanksSum>.apply(x, kept)

    override _.forward(context, vars) =
        context.save_data ("step", kept)
        sum (vars[0] :?> Tensor)

    override _.backward(context, gradient) =
        context.get_data "step" |> ignore
        let gradients = List<Tensor> 2
        gradients.Add(sum gradient)
        gradients.Add null
        gradients
