namespace CnnCluster.Dsl

open System
open System.Runtime.InteropServices

/// What a caller outside F# needs to define a layer of its own; in F# the records and their modules do, as the built-in
/// layers show. The definition then goes to `Catalogues.WithLayer`.
[<AbstractClass; Sealed>]
type OwnLayer =
    /// A layer of one input, with up to three sides unless `ranks` says which numbers of sides it takes.
    static member Define
        (
            name: string,
            help: LayerHelp,
            arguments: ArgumentDefinition seq,
            plan: Func<LayerSite, Result<LayerPlan, LayerFault>>,
            [<ParamArray>] ranks: int[]
        ) : LayerDefinition =
        { Name = name
          Help = help
          Arguments = List.ofSeq arguments
          Operands = One
          Ranks = if ranks.Length = 0 then [ 0..3 ] else List.ofArray ranks
          Plan = plan.Invoke }

    /// A merge: a layer of several inputs.
    static member DefineMerge
        (
            name: string,
            help: LayerHelp,
            arguments: ArgumentDefinition seq,
            plan: Func<LayerSite, Result<LayerPlan, LayerFault>>,
            [<ParamArray>] ranks: int[]
        ) =
        { OwnLayer.Define(name, help, arguments, plan, ranks) with
            Operands = Several }

    /// What `cnn help` and messages say of it; `example` are the statements of a network that uses it.
    static member Help
        (
            summary: string,
            shape: string,
            example: string,
            [<Optional; DefaultParameterValue("")>] formula: string,
            [<Optional; DefaultParameterValue("")>] parameters: string,
            [<Optional; DefaultParameterValue("")>] cost: string,
            [<Optional; DefaultParameterValue("")>] source: string
        ) =
        { LayerHelp.create summary shape example with
            Formula = formula
            Parameters = parameters
            Cost = cost
            Source = source }

    /// An argument that must be given; it may stand without its name, in the order of definition.
    static member Argument(name, kind, doc) = Arguments.required name kind doc

    /// An argument with a default; it may stand without its name, in the order of definition.
    static member Argument(name, kind, otherwise, doc) =
        Arguments.positional name kind otherwise doc

    /// A setting with a default, given by its name alone.
    static member Setting(name, kind, otherwise, doc) =
        Arguments.keyword name kind otherwise doc

    /// The setting `frozen`, which every layer with weights should have.
    static member Frozen = Arguments.frozen

    /// A weight whose initialiser needs no fans and that no regularizer holds.
    static member Weight(name: string, shape: int64 seq, initialiser: Initialiser) : WeightDefinition =
        OwnLayer.Weight(name, shape, initialiser, { In = 1.0; Out = 1.0 }, Regularizer.none)

    /// A weight; its name is its own within the layer, its shape PyTorch's.
    static member Weight(name, shape, initialiser, fans, regularizer) : WeightDefinition =
        { Name = name
          Shape = List.ofSeq shape
          Initialiser = initialiser
          Fans = fans
          Regularizer = regularizer
          Trainable = true }

    /// A layer without weights that costs nothing.
    static member Plan(output, field, forward: Func<LayerCall, Tensor>) : Result<LayerPlan, LayerFault> =
        Ok(LayerPlan.stateless output field forward.Invoke)

    /// A layer with weights; `multiplyAdds` are those for one sample, `None` while a side is open.
    static member Plan
        (output, field, weights: WeightDefinition seq, multiplyAdds, forward: Func<LayerCall, Tensor>)
        : Result<LayerPlan, LayerFault> =
        Ok
            { LayerPlan.stateless output field forward.Invoke with
                Weights = List.ofSeq weights
                MultiplyAdds = multiplyAdds }

    /// The same layer, whose output's elements are its inputs' own: the loss behind it then sees their activation.
    static member Keeping(planned: Result<LayerPlan, LayerFault>) = planned |> Result.map LayerPlan.keeping

    /// The same layer, whose output's elements are means of elements of one channel, or of its operands'.
    static member Averaging(planned: Result<LayerPlan, LayerFault>) =
        planned |> Result.map LayerPlan.averaging

    /// The same layer, in which a sample's output depends in training on the others of its batch.
    static member OverBatch(planned: Result<LayerPlan, LayerFault>) =
        planned |> Result.map (fun plan -> { plan with UsesBatch = true })

    /// The layer does not fit its place. The message is a clause without a capital or a full stop.
    static member Refuse
        (
            message: string,
            [<Optional; DefaultParameterValue(null: string | null)>] argument: string | null,
            [<Optional; DefaultParameterValue(null: string | null)>] expected: string | null
        ) : Result<LayerPlan, LayerFault> =
        Result.Error
            { Argument = Option.ofObj argument
              Message = message
              Expected = Option.ofObj expected }
