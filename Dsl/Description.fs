namespace CnnCluster.Dsl

open System.Collections.Generic

/// One layer as `cnn describe` shows it. Counts are for one sample; null while a side is open.
type LayerDescription =
    {
        Name: string
        Kind: string
        Inputs: IReadOnlyList<string>
        /// Sides, then channels.
        Output: IReadOnlyList<System.Nullable<int>>
        OutputText: string
        /// As float32.
        ActivationBytes: System.Nullable<int64>
        Parameters: int64
        Trainable: int64
        MultiplyAdds: System.Nullable<int64>
        /// A side each; the whole input's behind `flatten`; empty for an input without sides.
        ReceptiveField: IReadOnlyList<System.Nullable<int>>
        Activation: string
    }

/// A network as `cnn describe` shows it.
type NetworkDescription =
    { Network: string
      Input: string
      Layers: IReadOnlyList<LayerDescription>
      Parameters: int64
      Trainable: int64
      MultiplyAdds: System.Nullable<int64> }

module Description =
    let private nullable =
        function
        | Some value -> System.Nullable value
        | None -> System.Nullable()

    let private nameOf (plan: NetworkPlan) =
        function
        | FromInput i -> plan.Inputs[i].Name
        | FromNode i -> plan.Nodes[i].Path

    let private field (plan: NetworkPlan) =
        function
        | Window sights -> [ for sight in sights -> System.Nullable sight.Size ]
        | Whole -> plan.Inputs.Head.Shape.Sides |> List.map nullable

    let private layer (plan: NetworkPlan) (node: PlanNode) =
        let output = node.Layer.Output

        let parameters =
            node.Layer.Weights |> List.sumBy (fun weight -> List.fold (*) 1L weight.Shape)

        { Name = node.Path
          Kind = node.Kind
          Inputs = node.Inputs |> List.map (nameOf plan)
          Output = List.map nullable output.Sides @ [ System.Nullable output.Channels ]
          OutputText = Shape.text output
          ActivationBytes = output.Elements |> Option.map (fun elements -> 4L * elements) |> nullable
          Parameters = parameters
          Trainable = parameters
          MultiplyAdds = nullable node.Layer.MultiplyAdds
          ReceptiveField = field plan node.Layer.Field
          Activation =
            match node.Activation with
            | Some activation when activation.Definition.Name <> node.Kind -> Activation.text activation
            | _ -> "" }

    /// What there is to say of a network without running it.
    let ofPlan (plan: NetworkPlan) =
        let layers = plan.Nodes |> List.map (layer plan)

        let multiplyAdds =
            (Some 0L, plan.Nodes)
            ||> List.fold (fun total node -> Option.map2 (+) total node.Layer.MultiplyAdds)

        { Network = plan.Name
          Input = Shape.text plan.Inputs.Head.Shape
          Layers = layers
          Parameters = plan.Parameters
          Trainable = plan.Parameters
          MultiplyAdds = nullable multiplyAdds }
